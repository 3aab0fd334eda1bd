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
	// maxBatches and maxRun bound a run; the next one continues.
	maxBatches = 1000
	maxRun     = 5 * time.Minute
)

// Config is the janitor's configuration.
type Config struct {
	// OrphanAge is how old a video without a job must be to be removed, and
	// how long ago an interrupted upload must have been written to.
	OrphanAge time.Duration `envconfig:"ORPHAN_AGE" default:"24h"`
	Policy    jobs.Policy
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	if c.OrphanAge < media.MinSweepAge {
		return fmt.Errorf("ORPHAN_AGE must be at least %v", media.MinSweepAge)
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

	maxRun     time.Duration
	maxFailing time.Duration // see breaker
}

// New returns a janitor, or an error that names the invalid variable.
func New(cfg Config, j jobs.Store, videos, audio media.Store, q queue.Publisher) (*Janitor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Janitor{config: cfg, jobs: j, videos: videos, audio: audio, queue: q, maxRun: maxRun, maxFailing: maxFailing}, nil
}

// RunOnce processes every job that is due. What fails for one job, or while the broker
// or the media store is away, does not keep the rest from being done; it is tried again
// by a later run. An error does not undo what has been done.
func (s *Janitor) RunOnce(ctx context.Context) (Report, error) {
	r := s.newRun()
	start, now := time.Now(), s.jobs.Now()
	for range maxBatches {
		due, err := s.jobs.Due(ctx, now, batchSize)
		if err != nil {
			return r.report, errors.Join(fmt.Errorf("find due jobs: %w", err), r.err())
		}
		for _, j := range due {
			r.process(logs.With(ctx, slog.String("job", j.ID)), j)
			switch {
			case ctx.Err() != nil:
				return r.report, ctx.Err()
			case r.records.open():
				return r.report, r.err()
			case time.Since(start) > s.maxRun:
				slog.WarnContext(ctx, "run ended early; the next one continues", "report", r.report)
				return r.report, r.err()
			}
		}
		// Jobs that remain due would be found again.
		if len(due) < batchSize || r.records.failed() {
			break
		}
	}
	return r.report, r.err()
}
