package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/queue"
)

// settle bounds the writing of an outcome.
const settle = 30 * time.Second

var attempts = promauto.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "mp3converter_conversion_seconds",
	Help:    "Time from the claim of a job to the outcome of the attempt.",
	Buckets: []float64{.25, .5, 1, 2, 5, 15, 60, 300, 1200, 3600},
}, []string{"outcome"})

// attempt is one try at one job.
type attempt struct {
	*Converter
	job      jobs.Job
	holder   string       // of the lease
	progress atomic.Int64 // percent
}

// Convert does what there is to do for a job. A nil error means that the
// wake-up call has served its purpose; any other, that it should come again.
func (c *Converter) Convert(ctx context.Context, job string) error {
	a := attempt{Converter: c, holder: id.New()}
	var err error
	a.job, err = c.jobs.Update(ctx, job, func(j *jobs.Job) error {
		return j.Claim(c.config.Policy, a.holder, time.Now())
	})
	switch {
	case errors.Is(err, jobs.ErrFinished), errors.Is(err, jobs.ErrLeased), errors.Is(err, jobs.ErrNotFound):
		slog.InfoContext(ctx, "nothing to do", "why", err)
		return nil
	case errors.Is(err, jobs.ErrExhausted):
		return c.giveUp(ctx, job)
	case err != nil:
		return fmt.Errorf("claim: %w", err)
	}
	slog.InfoContext(ctx, "job claimed", "attempt", a.job.Attempts, "bytes", a.job.Video.Size)

	c.working.Add(1)
	defer c.working.Add(-1)
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.stop, func() { cancel(errStopping) })()
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		a.heartbeat(working, cancel)
	}()
	audio, source, err := a.make(working)
	if cause := context.Cause(working); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-beating
	return a.settle(ctx, audio, source, err)
}

// settle records how the attempt went.
func (a *attempt) settle(ctx context.Context, audio jobs.File, source *conversion.MediaInfo, err error) error {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	now, policy := time.Now(), a.config.Policy

	var failure *conversion.Failure
	var rule func(*jobs.Job) error
	outcome := "done"
	switch {
	case err == nil:
		rule = func(j *jobs.Job) error {
			j.MediaInfo = source
			return j.Complete(policy, a.holder, audio, now)
		}
	case errors.Is(err, jobs.ErrLeaseLost):
		outcome = "lost"
	case errors.Is(err, errStopping):
		outcome = "released"
		rule = func(j *jobs.Job) error { return j.Release(policy, a.holder, now) }
	case errors.As(err, &failure):
		outcome = failure.Code
		rule = func(j *jobs.Job) error {
			j.MediaInfo = source
			return j.Fail(policy, a.holder, failure, now)
		}
	default:
		outcome = "retry"
		rule = func(j *jobs.Job) error { return j.Retry(policy, a.holder, now) }
	}
	attempts.WithLabelValues(outcome).Observe(time.Since(a.job.StartedAt).Seconds())
	slog.InfoContext(ctx, "attempt ended", "outcome", outcome, "error", err,
		"ms", time.Since(a.job.StartedAt).Milliseconds(), "mp3", audio.Size)
	if rule == nil {
		return nil // another has the job, or nobody wants it any more
	}
	job, recordErr := a.jobs.Update(ctx, a.job.ID, rule)
	switch {
	case errors.Is(recordErr, jobs.ErrLeaseLost), errors.Is(recordErr, jobs.ErrNotFound):
		a.discard(ctx, audio.ID)
		return nil
	case recordErr != nil:
		// Whether the record names the MP3 is unknown, so the MP3 stays:
		// the janitor removes it if no record does.
		return fmt.Errorf("record outcome %s: %w", outcome, recordErr)
	case !job.State.Final():
		return fmt.Errorf("attempt %d: %w", a.job.Attempts, err)
	}
	a.finished(ctx, job)
	return nil
}

// giveUp fails a job that never got to an outcome.
func (c *Converter) giveUp(ctx context.Context, job string) error {
	j, err := c.jobs.Update(ctx, job, func(j *jobs.Job) error {
		return j.FailExhausted(c.config.Policy, time.Now())
	})
	switch {
	case errors.Is(err, jobs.ErrFinished), errors.Is(err, jobs.ErrLeased), errors.Is(err, jobs.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("give up: %w", err)
	}
	slog.WarnContext(ctx, "attempts exhausted", "attempts", j.Attempts)
	c.finished(ctx, j)
	return nil
}

// finished deletes the video, which nobody needs any more, and wakes the
// notification function. What fails here the janitor does later.
func (c *Converter) finished(ctx context.Context, j jobs.Job) {
	if err := c.videos.Delete(ctx, j.Video.ID); err != nil {
		slog.WarnContext(ctx, "video left to the janitor", "video", j.Video.ID, "error", err)
	}
	if err := c.queue.Wake(ctx, queue.MP3, j.ID); err != nil {
		slog.WarnContext(ctx, "notification left to the janitor", "error", err)
	}
}

// discard deletes an MP3 that lost the race for the record.
func (c *Converter) discard(ctx context.Context, audio string) {
	if audio == "" {
		return
	}
	if err := c.audio.Delete(ctx, audio); err != nil {
		slog.WarnContext(ctx, "MP3 left to the janitor", "audio", audio, "error", err)
	}
}
