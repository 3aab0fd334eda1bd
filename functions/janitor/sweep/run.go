package sweep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/queue"
)

const (
	// retryDelay is when a job is processed again that was skipped, or whose wake-up
	// failed. It is less than the interval of the janitor's runs on a cluster.
	retryDelay = 30 * time.Second
	// eraseDelay is when the erasing of a job is tried again that failed. It is
	// longer than retryDelay, so that those that were skipped come first.
	eraseDelay = 10 * time.Minute
)

// run is the state of one RunOnce.
type run struct {
	*Janitor
	report  Report
	video   breaker // wake-ups of the converter
	mp3     breaker // wake-ups of the notification function
	files   breaker // deletions
	records breaker // writes of job records
}

func (s *Janitor) newRun() *run {
	return &run{
		Janitor: s,
		video:   s.newBreaker("wake-ups for conversions", maxWakeFailures),
		mp3:     s.newBreaker("wake-ups for notifications", maxWakeFailures),
		files:   s.newBreaker("deletions", unlimited),
		records: s.newBreaker("job records", maxRecordFailures),
	}
}

// err returns what failed.
func (r *run) err() error {
	return errors.Join(r.records.err(), r.video.err(), r.mp3.err(), r.files.err())
}

// process erases, fails or wakes a due job.
func (r *run) process(ctx context.Context, j jobs.Job) {
	now := r.jobs.Now()
	switch {
	case j.State == jobs.Uploading:
		r.expireUpload(ctx, j)
	case j.State.Final() && !j.ExpiresAt.After(now):
		r.erase(ctx, j)
	case j.VideoExpired(now):
		r.expireVideo(ctx, j)
	case j.State.Final():
		r.wakeAgain(ctx, j, queue.MP3, &r.mp3, &r.report.NotificationWakes)
	case j.Exhausted(r.config.Policy, now):
		r.failExhausted(ctx, j)
	default:
		r.wakeAgain(ctx, j, queue.Video, &r.video, &r.report.ConversionWakes)
	}
}

// erase deletes an expired job, whether or not its user could be notified.
func (r *run) erase(ctx context.Context, j jobs.Job) {
	err := r.files.do(j.ID, func() error { return jobs.Erase(ctx, r.jobs, r.videos, r.audio, j) })
	switch {
	case errors.Is(err, errSkipped):
		r.postpone(ctx, j, retryDelay)
	case jobs.NothingToDo(err): // retried at the last moment
	case err != nil:
		slog.WarnContext(ctx, "expired job not deleted; the janitor will retry", "error", err)
		r.postpone(ctx, j, eraseDelay)
	default:
		slog.InfoContext(ctx, "expired", "state", j.State, "notification", j.Notification.Outcome)
		r.report.Expired++
	}
}

// expireUpload deletes an upload that has not been continued in time. If it cannot be told
// whether the video is complete, a later run decides, until the upload is MAX_JOB_AGE old.
func (r *run) expireUpload(ctx context.Context, j jobs.Job) {
	holder := id.New()
	if r.update(ctx, j, func(j *jobs.Job) error { return j.ExpireUpload(holder, r.jobs.Now()) }) != nil {
		return
	}
	switch complete, err := r.hasVideo(ctx, j); {
	case err != nil && r.jobs.Now().Sub(j.CreatedAt) < r.config.Policy.MaxAge:
		slog.WarnContext(ctx, "expired upload not deleted; the janitor will retry", "error", err)
	case complete:
		r.finishUpload(ctx, j, holder)
	default:
		r.erase(ctx, j)
	}
}

// hasVideo reports whether all of a resumable upload has arrived. Then the gateway has died
// before it could record that, and the client has not asked again.
func (r *run) hasVideo(ctx context.Context, j jobs.Job) (bool, error) {
	if j.Resumable == nil {
		return false, nil
	}
	_, video, err := r.videos.Open(ctx, j.Video.ID)
	if errors.Is(err, media.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = video.Close()
	}
	return err == nil, err
}

// finishUpload queues the job of an upload.
func (r *run) finishUpload(ctx context.Context, j jobs.Job, holder string) {
	if r.update(ctx, j, func(j *jobs.Job) error { return j.FinishUpload(r.config.Policy, holder, r.jobs.Now()) }) != nil {
		return
	}
	slog.InfoContext(ctx, "upload finished in place of the gateway")
	if r.video.do(j.ID, func() error { return r.queue.Wake(ctx, queue.Video, j.ID) }) == nil {
		r.report.ConversionWakes++
	}
}

// failExhausted fails a job that has used up its attempts. What fails after that is
// repeated: the wake-up by RunOnce, the deletion by RemoveOrphans.
func (r *run) failExhausted(ctx context.Context, j jobs.Job) {
	var failed jobs.Job
	if r.update(ctx, j, func(j *jobs.Job) error {
		err := j.FailExhausted(r.config.Policy, r.jobs.Now())
		failed = *j
		return err
	}) != nil {
		return
	}
	if !failed.NeedsVideo() {
		r.deleteVideo(ctx, j)
	}
	slog.WarnContext(ctx, "attempts exhausted", "attempts", j.Attempts, "deaths", j.Deaths)
	r.report.Failed++
	_ = r.mp3.do(j.ID, func() error { return r.queue.Wake(ctx, queue.MP3, j.ID) })
}

// expireVideo deletes the video of a failed job that has not been retried in time. The
// record says so first. A deletion that fails is repeated by RemoveOrphans.
func (r *run) expireVideo(ctx context.Context, j jobs.Job) {
	if r.update(ctx, j, func(j *jobs.Job) error { return j.ExpireVideo(r.config.Policy, r.jobs.Now()) }) != nil {
		return
	}
	slog.InfoContext(ctx, "the video of the failed job expired", "code", j.Failure.Code)
	r.report.Videos++
	r.deleteVideo(ctx, j)
}

func (r *run) deleteVideo(ctx context.Context, j jobs.Job) {
	_ = r.files.do(j.ID, func() error { return r.videos.Delete(ctx, j.Video.ID) })
}

// wakeAgain sends a wake-up, counts it and then schedules the next one. In this order,
// a job whose wake-up fails is soon due again.
func (r *run) wakeAgain(ctx context.Context, j jobs.Job, q queue.Queue, b *breaker, count *int) {
	if b.do(j.ID, func() error { return r.queue.Wake(ctx, q, j.ID) }) != nil {
		r.postpone(ctx, j, retryDelay)
		return
	}
	slog.InfoContext(ctx, "wake-up repeated", "queue", q.Name, "state", j.State, "wakes", j.Wakes+1)
	*count++
	_ = r.update(ctx, j, func(j *jobs.Job) error { return j.WakeSent(r.config.Policy, r.jobs.Now()) })
}

// postpone lets a later run process a job.
func (r *run) postpone(ctx context.Context, j jobs.Job, delay time.Duration) {
	_ = r.update(ctx, j, func(j *jobs.Job) error { return j.Defer(delay, r.jobs.Now()) })
}

// update applies a rule to a job's record. The breaker reports errors.
func (r *run) update(ctx context.Context, j jobs.Job, rule func(*jobs.Job) error) error {
	return r.records.do(j.ID, func() error {
		_, err := r.jobs.Update(ctx, j.ID, rule)
		return err
	})
}
