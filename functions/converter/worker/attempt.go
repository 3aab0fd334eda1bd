package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"mp3converter/functions/converter/ffmpeg"
	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/queue"
)

// recordTimeout limits recording the outcome.
const recordTimeout = 30 * time.Second

var attempts = promauto.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "mp3converter_conversion_seconds",
	Help:    "Time from the claim of a job to the outcome of the attempt.",
	Buckets: []float64{.25, .5, 1, 2, 5, 15, 60, 300, 1200, 3600},
}, []string{"outcome"})

// attempt is one conversion of one job.
type attempt struct {
	worker   *Worker
	job      jobs.Job
	holder   string       // of the lease
	progress atomic.Int64 // percent
}

// Convert claims a job and converts its video. A nil error means that the
// message can be acknowledged; otherwise it must be redelivered.
func (w *Worker) Convert(ctx context.Context, jobID string) error {
	a, err := w.claim(ctx, jobID)
	switch {
	case jobs.NothingToDo(err):
		slog.InfoContext(ctx, "nothing to do", "reason", err)
		return nil
	case errors.Is(err, jobs.ErrExhausted):
		return w.failExhausted(ctx, jobID)
	case err != nil:
		return fmt.Errorf("claim: %w", err)
	}
	slog.InfoContext(ctx, "job claimed", "attempt", a.job.Attempts, "bytes", a.job.Video.Size)
	audio, info, err := a.run(ctx)
	return a.recordOutcome(ctx, audio, info, err)
}

func (w *Worker) claim(ctx context.Context, jobID string) (*attempt, error) {
	a := &attempt{worker: w, holder: id.New()}
	var err error
	a.job, err = w.jobs.Update(ctx, jobID, func(j *jobs.Job) error {
		return j.Claim(w.config.Policy, a.holder, time.Now())
	})
	return a, err
}

// run converts the video and stores the MP3 while the heartbeat renews the
// lease. It ends early if the lease is lost or the worker stops.
func (a *attempt) run(ctx context.Context) (jobs.File, *conversion.MediaInfo, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.worker.shutdown, func() { cancel(errStopping) })()
	heartbeatDone := make(chan struct{})
	go func() {
		defer close(heartbeatDone)
		a.heartbeat(ctx, cancel)
	}()
	audio, info, err := a.convert(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-heartbeatDone
	return audio, info, err
}

// convert converts the video and stores the MP3 under a new ID. A
// *conversion.Failure is final; any other error is temporary.
func (a *attempt) convert(ctx context.Context) (jobs.File, *conversion.MediaInfo, error) {
	video := ffmpeg.Input{Title: a.job.Title(), Size: a.job.Video.Size, Open: func(ctx context.Context) (io.ReadSeekCloser, error) {
		_, r, err := a.worker.videos.Open(ctx, a.job.Video.ID)
		return r, err
	}}
	result, err := a.worker.converter.Convert(ctx, video, a.job.Options, func(percent int) { a.progress.Store(int64(percent)) })
	defer result.Close() //nolint:staticcheck // the result is never nil
	// Only a video that is missing at the start is a final failure. One that
	// disappears later is retried: another replica of the store may have it.
	if errors.Is(err, ffmpeg.ErrOpen) && errors.Is(err, media.ErrNotFound) {
		err = conversion.VideoMissing
	}
	if err != nil {
		return jobs.File{}, result.MediaInfo, err
	}
	object := media.Object{ID: id.New(), Job: a.job.ID, Name: a.job.AudioName(), ContentType: "audio/mpeg"}
	object, err = a.worker.audio.Put(ctx, object, result.MP3)
	if err != nil {
		return jobs.File{}, result.MediaInfo, fmt.Errorf("store MP3: %w", err)
	}
	return jobs.File{ID: object.ID, Size: object.Size}, result.MediaInfo, nil
}

// recordOutcome records the result of the attempt in the job.
func (a *attempt) recordOutcome(ctx context.Context, audio jobs.File, info *conversion.MediaInfo, err error) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	now, policy := time.Now(), a.worker.config.Policy

	var failure *conversion.Failure
	var update func(*jobs.Job) error
	outcome := "done"
	switch {
	case err == nil:
		update = func(j *jobs.Job) error {
			j.MediaInfo = info
			return j.Complete(policy, a.holder, audio, now)
		}
	case errors.Is(err, jobs.ErrLeaseLost):
		outcome = "lease_lost"
	case errors.Is(err, errStopping):
		outcome = "released"
		update = func(j *jobs.Job) error { return j.Release(policy, a.holder, now) }
	case errors.As(err, &failure):
		outcome = failure.Code
		update = func(j *jobs.Job) error {
			j.MediaInfo = info
			return j.Fail(policy, a.holder, failure, now)
		}
	default:
		outcome = "retry"
		update = func(j *jobs.Job) error { return j.Retry(policy, a.holder, now) }
	}
	attempts.WithLabelValues(outcome).Observe(time.Since(a.job.StartedAt).Seconds())
	slog.InfoContext(ctx, "attempt ended", "outcome", outcome, "error", err,
		"ms", time.Since(a.job.StartedAt).Milliseconds(), "mp3_bytes", audio.Size)
	if update == nil {
		return nil // another worker has the job, or it was cancelled or deleted
	}
	job, recordErr := a.worker.jobs.Update(ctx, a.job.ID, update)
	switch {
	case jobs.NothingToDo(recordErr):
		a.worker.deleteMP3(ctx, audio.ID)
		return nil
	case recordErr != nil:
		// The record may or may not name the MP3. The janitor deletes it if no
		// record does.
		return fmt.Errorf("record outcome %s: %w", outcome, recordErr)
	case !job.State.Final():
		return fmt.Errorf("attempt %d: %w", a.job.Attempts, err)
	}
	a.worker.finish(ctx, job)
	return nil
}

// failExhausted fails a job that has used up its attempts.
func (w *Worker) failExhausted(ctx context.Context, jobID string) error {
	j, err := w.jobs.Update(ctx, jobID, func(j *jobs.Job) error {
		return j.FailExhausted(w.config.Policy, time.Now())
	})
	switch {
	case errors.Is(err, jobs.ErrNotDue):
		// The last attempt was released and does not count: the redelivered event
		// claims the job.
		return fmt.Errorf("fail exhausted job: %w", err)
	case jobs.NothingToDo(err):
		return nil
	case err != nil:
		return fmt.Errorf("fail exhausted job: %w", err)
	}
	slog.WarnContext(ctx, "attempts exhausted", "attempts", j.Attempts)
	w.finish(ctx, j)
	return nil
}

// finish deletes the video of a finished job and wakes the notification
// function. The janitor repeats what fails here.
func (w *Worker) finish(ctx context.Context, j jobs.Job) {
	if err := w.videos.Delete(ctx, j.Video.ID); err != nil {
		slog.WarnContext(ctx, "cannot delete the video, leaving it to the janitor", "video", j.Video.ID, "error", err)
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
