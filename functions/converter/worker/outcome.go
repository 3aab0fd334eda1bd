package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mp3converter/functions/converter/ffmpeg"
	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/queue"
)

const (
	// recordTimeout limits one try to record the outcome.
	recordTimeout = 30 * time.Second
	// recordPeriod is how long recording is tried while the store is away. No
	// other job could be claimed meanwhile, and the MP3 exists.
	recordPeriod = time.Hour
)

// recordOutcome records the result of the attempt in the job. The record owns the
// pause before the next attempt, so the message is done with, unless the worker stops.
func (a *attempt) recordOutcome(ctx context.Context, audio jobs.File, info *conversion.MediaInfo, err error) error {
	outcome, change := a.outcome(audio, info, err)
	took := a.worker.jobs.Now().Sub(a.job.StartedAt)
	attempts.WithLabelValues(outcome).Observe(took.Seconds())
	slog.InfoContext(ctx, "attempt ended", "outcome", outcome, "error", err, "ms", took.Milliseconds(), "mp3_bytes", audio.Size)
	if change == nil {
		return nil // another worker has the job, or it was cancelled or deleted
	}
	job, recordErr := a.record(ctx, change)
	switch {
	case jobs.NothingToDo(recordErr):
		return a.recorded(ctx, audio)
	case recordErr != nil:
		// The record may or may not name the MP3. The janitor deletes it if no
		// record does.
		return fmt.Errorf("record outcome %s: %w", outcome, recordErr)
	case job.State.Final():
		a.worker.finish(ctx, job)
	case errors.Is(err, errStopping):
		return err
	}
	return nil
}

// outcome returns the name of an attempt's outcome and the rule that records it, which
// is nil if the lease is lost. Only a failure that the video may have caused counts.
func (a *attempt) outcome(audio jobs.File, info *conversion.MediaInfo, err error) (string, func(*jobs.Job) error) {
	policy, now := a.worker.config.Policy, a.worker.jobs.Now()
	retry := func(f *conversion.Failure) func(*jobs.Job) error {
		return func(j *jobs.Job) error { return j.Retry(policy, a.holder, f, now) }
	}
	var failure *conversion.Failure
	switch {
	case err == nil:
		return "done", func(j *jobs.Job) error {
			j.MediaInfo = info
			return j.Complete(policy, a.holder, audio, now)
		}
	case errors.Is(err, jobs.ErrLeaseLost):
		return "lease_lost", nil
	case errors.Is(err, errStopping):
		return "released", func(j *jobs.Job) error { return j.Release(policy, a.holder, now) }
	case errors.Is(err, ffmpeg.ErrBadOutput) && errors.As(err, &failure):
		return "bad_output", retry(failure)
	case errors.As(err, &failure):
		return failure.Code, func(j *jobs.Job) error {
			j.MediaInfo = info
			return j.Fail(policy, a.holder, failure, now)
		}
	case errors.Is(err, ffmpeg.ErrOpen) && errors.Is(err, media.ErrNotFound):
		// Not final at once: the read may have been stale.
		return "video_missing", retry(conversion.VideoMissing)
	case errors.Is(err, ffmpeg.ErrKilled):
		return "killed", retry(conversion.AttemptsExhausted)
	}
	return "postponed", func(j *jobs.Job) error { return j.Postpone(policy, a.holder, now) }
}

// record applies change to the job. While the store is away it tries again, until the
// worker stops.
func (a *attempt) record(ctx context.Context, change func(*jobs.Job) error) (jobs.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, recordPeriod)
	defer cancel()
	for delay := time.Second; ; delay = min(2*delay, 10*time.Second) {
		tryCtx, cancelTry := context.WithTimeout(ctx, recordTimeout)
		job, err := a.worker.jobs.Update(tryCtx, a.job.ID, change)
		cancelTry()
		if err == nil || jobs.NothingToDo(err) || ctx.Err() != nil {
			return job, err
		}
		slog.WarnContext(ctx, "outcome not recorded, trying again", "error", err)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		case <-a.worker.shutdown.Done():
			return job, err
		}
	}
}

// recorded handles a refused outcome: the lease is lost, or an earlier try to record the
// outcome succeeded although it returned an error. In the first case the MP3 is
// deleted.
func (a *attempt) recorded(ctx context.Context, audio jobs.File) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	job, err := a.worker.jobs.Get(ctx, a.job.ID)
	switch {
	case err != nil && !errors.Is(err, jobs.ErrNotFound):
		return fmt.Errorf("read the recorded outcome: %w", err)
	case err == nil && job.State.Final() && job.Audio.ID == audio.ID:
		a.worker.finish(ctx, job)
	default:
		a.worker.deleteMP3(ctx, audio.ID)
	}
	return nil
}

// finish deletes the video of a finished job, unless the job may be retried, and wakes the
// notification function. The janitor repeats what fails here.
func (w *Worker) finish(ctx context.Context, j jobs.Job) {
	if !j.NeedsVideo() {
		if err := w.videos.Delete(ctx, j.Video.ID); err != nil {
			slog.WarnContext(ctx, "cannot delete the video, leaving it to the janitor", "video", j.Video.ID, "error", err)
		}
	}
	if err := w.queue.Wake(ctx, queue.MP3, j.ID); err != nil {
		slog.WarnContext(ctx, "cannot send the wake-up for the notification, leaving it to the janitor", "error", err)
	}
}

// deleteMP3 deletes an MP3 that no record names.
func (w *Worker) deleteMP3(ctx context.Context, audioID string) {
	if audioID == "" {
		return
	}
	if err := w.audio.Delete(ctx, audioID); err != nil {
		slog.WarnContext(ctx, "cannot delete the MP3, leaving it to the janitor", "audio", audioID, "error", err)
	}
}
