// Package sweep is the janitor: it re-sends lost wake-ups, fails jobs that have
// used up their attempts, deletes expired jobs and removes files that belong to no
// job. With it, no job is lost if a message is lost.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/media"
	"mp3converter/shared/queue"
)

const (
	// batchSize is how many records or objects are read at a time.
	batchSize = 100
	// maxBatches bounds one run; the next one continues.
	maxBatches = 1000
	// maxErrors is how many jobs may fail before a run ends. One failure must
	// not keep the other jobs from being processed, but while the broker is
	// unavailable all of them fail.
	maxErrors = 10
)

// Config is the janitor's configuration.
type Config struct {
	// OrphanAge is how old a file without a job must be to be removed. It must
	// exceed the duration of the slowest upload, which has no job until it is
	// complete.
	OrphanAge time.Duration `envconfig:"ORPHAN_AGE" default:"24h"`
	Policy    jobs.Policy
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	if c.OrphanAge < time.Minute {
		return errors.New("ORPHAN_AGE must be at least 1m")
	}
	return c.Policy.Validate()
}

// Janitor maintains jobs and files. It is safe for concurrent use, even by several
// processes.
type Janitor struct {
	config Config
	jobs   jobs.Store
	videos media.Store
	audio  media.Store
	queue  queue.Publisher
}

// New returns a janitor, or an error that names the invalid variable.
func New(cfg Config, j jobs.Store, videos, audio media.Store, q queue.Publisher) (*Janitor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Janitor{config: cfg, jobs: j, videos: videos, audio: audio, queue: q}, nil
}

// Report counts what a run did.
type Report struct {
	ConversionWakes   int // wake-ups sent for conversions
	NotificationWakes int // wake-ups sent for notifications
	Failed            int // jobs that have used up their attempts
	Expired           int // jobs deleted
	Orphans           int // files deleted
}

// LogValue returns the counts that are not zero.
func (r Report) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, c := range []struct {
		name string
		n    int
	}{{"conversion_wakes", r.ConversionWakes}, {"notification_wakes", r.NotificationWakes}, {"failed", r.Failed}, {"expired", r.Expired}, {"orphans", r.Orphans}} {
		if c.n > 0 {
			attrs = append(attrs, slog.Int(c.name, c.n))
		}
	}
	return slog.GroupValue(attrs...)
}

// RunOnce processes every job that is due. An error does not undo what it has done.
func (s *Janitor) RunOnce(ctx context.Context) (Report, error) {
	var report Report
	var failed []error
	for range maxBatches {
		due, err := s.jobs.Due(ctx, time.Now(), batchSize)
		if err != nil {
			return report, fmt.Errorf("find due jobs: %w", err)
		}
		for _, j := range due {
			err := s.process(logs.With(ctx, slog.String("job", j.ID)), j, &report)
			if err == nil || jobs.NothingToDo(err) {
				continue
			}
			failed = append(failed, fmt.Errorf("job %s: %w", j.ID, err))
			if len(failed) >= maxErrors || ctx.Err() != nil {
				return report, errors.Join(failed...)
			}
		}
		if len(due) < batchSize || failed != nil { // failed jobs would be found again
			return report, errors.Join(failed...)
		}
	}
	return report, nil
}

// process deletes, fails or wakes a due job.
func (s *Janitor) process(ctx context.Context, j jobs.Job, report *Report) error {
	switch {
	case j.State.Final() && !j.Notification.EndedAt.IsZero():
		if err := jobs.Erase(ctx, s.jobs, s.videos, s.audio, j); err != nil {
			return err
		}
		slog.InfoContext(ctx, "expired", "state", j.State)
		report.Expired++
		return nil
	case j.State.Final():
		return s.wake(ctx, j, queue.MP3, &report.NotificationWakes)
	case j.Attempts >= s.config.Policy.MaxAttempts:
		return s.failExhausted(ctx, j, report)
	default:
		return s.wake(ctx, j, queue.Video, &report.ConversionWakes)
	}
}

// failExhausted fails a job that has used up its attempts.
func (s *Janitor) failExhausted(ctx context.Context, j jobs.Job, report *Report) error {
	_, err := s.jobs.Update(ctx, j.ID, func(j *jobs.Job) error { return j.FailExhausted(s.config.Policy, time.Now()) })
	if err != nil {
		return err
	}
	report.Failed++
	slog.WarnContext(ctx, "attempts exhausted", "attempts", j.Attempts)
	if err := s.videos.Delete(ctx, j.Video.ID); err != nil {
		slog.WarnContext(ctx, "video not deleted; it will be removed as an orphan", "video", j.Video.ID, "error", err)
	}
	return s.queue.Wake(ctx, queue.MP3, j.ID)
}

// wake sends a wake-up, counts it and then schedules the next one. In this order,
// the job remains due while the broker is unavailable.
func (s *Janitor) wake(ctx context.Context, j jobs.Job, q queue.Queue, count *int) error {
	if err := s.queue.Wake(ctx, q, j.ID); err != nil {
		return err
	}
	*count++
	slog.InfoContext(ctx, "wake-up repeated", "queue", q.Name, "state", j.State, "wakes", j.Wakes+1)
	_, err := s.jobs.Update(ctx, j.ID, func(j *jobs.Job) error { return j.WakeSent(s.config.Policy, time.Now()) })
	return err
}
