package jobs

import "time"

// RetryFailed queues a failed job again at its owner's request, as long as its video is
// kept. Its attempts count from the start, and its owner is notified of the new outcome;
// deliveries about the failure are forgotten, also those that are pending. It returns ErrNotFailed or ErrVideoGone if the job cannot be retried.
func (j *Job) RetryFailed(p Policy, now time.Time) error {
	now = Truncate(now)
	switch {
	case j.State != Failed:
		return ErrNotFailed
	case !now.Before(j.VideoUntil):
		return ErrVideoGone
	}
	j.State = Queued
	j.Progress, j.Attempts, j.Deaths, j.Retries, j.Wakes = 0, 0, 0, 0, 0
	j.Failure, j.MediaInfo = nil, nil
	j.Notification, j.Deliveries = Notification{}, nil
	j.NotBefore, j.FinishedAt, j.ExpiresAt, j.VideoUntil = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	j.RetriedAt = now
	j.DueAt = now.Add(p.Wake)
	return nil
}

// NeedsVideo reports whether the video must not be deleted: the job is unfinished, or may
// be retried. Once it is false it stays false. The time is not compared here: VideoUntil
// is set to zero first, by ExpireVideo or GiveUpVideo, and the video is deleted after that,
// so that a retry at that moment keeps it.
func (j *Job) NeedsVideo() bool { return !j.State.Final() || !j.VideoUntil.IsZero() }

// VideoExpired reports whether ExpireVideo would end the keeping of the video.
func (j *Job) VideoExpired(now time.Time) bool {
	return !j.VideoUntil.IsZero() && !now.Before(j.VideoUntil)
}

// ExpireVideo records that the video of a failed job is not kept any more because the time
// is over. The caller deletes the video.
func (j *Job) ExpireVideo(p Policy, now time.Time) error {
	now = Truncate(now)
	if !j.VideoExpired(now) {
		return ErrNotDue
	}
	j.VideoUntil = time.Time{}
	due := j.ExpiresAt
	if j.Notification.EndedAt.IsZero() {
		due = later(now.Add(p.Wake), j.Notification.Lease.Until)
	}
	j.setDue(due)
	return nil
}

// GiveUpVideo records that the video of a finished job is not kept any more because the job
// is about to be deleted. It returns ErrNotFinished if the job has been retried.
func (j *Job) GiveUpVideo() error {
	if !j.State.Final() {
		return ErrNotFinished
	}
	j.VideoUntil = time.Time{}
	return nil
}

// keepVideo sets until when the video of a job that has just finished is kept.
func (j *Job) keepVideo(p Policy, now time.Time) {
	if j.State != Failed || !j.Failure.Retryable() || p.KeepFailed <= 0 {
		return
	}
	j.VideoUntil = now.Add(min(p.KeepFailed, p.Retention))
}

// AcceptedAt is when the owner last asked for the conversion.
func (j *Job) AcceptedAt() time.Time { return later(j.CreatedAt, j.RetriedAt) }

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
