// Package sweep finds what fell by the wayside and sets it right: it repeats
// wake-up calls that were lost, fails jobs that used up their attempts, deletes
// what has expired and removes bytes that no job knows of. It is the reason why
// a lost message loses nothing.
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
	// batch is how many records are read at a time.
	batch = 100
	// maxBatches bounds one pass; the next goes on where it stopped.
	maxBatches = 1000
	// maxErrors is how many jobs may go wrong before a pass ends. One must not
	// keep the others from being seen to, but a broker that is away fails for
	// all of them.
	maxErrors = 10
)

// Config is the janitor's measure of what is old.
type Config struct {
	// OrphanAge is how old bytes without a job must be. It must be longer
	// than the slowest upload: until that is through, it has no job.
	OrphanAge time.Duration `envconfig:"ORPHAN_AGE" default:"24h"`
	Policy    jobs.Policy
}

// Validate names the variable that makes no sense.
func (c Config) Validate() error {
	if c.OrphanAge < time.Minute {
		return errors.New("ORPHAN_AGE must be at least 1m")
	}
	return c.Policy.Validate()
}

// Janitor looks after jobs and files. Passes may overlap, also in several
// processes.
type Janitor struct {
	Config Config
	Jobs   jobs.Store
	Videos media.Store
	Audio  media.Store
	Queue  queue.Publisher
}

// Report counts what a pass did.
type Report struct {
	Woken, Reminded, GivenUp, Expired, Orphans int
}

// LogValue writes the counts that are not zero.
func (r Report) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, c := range []struct {
		name string
		n    int
	}{{"woken", r.Woken}, {"reminded", r.Reminded}, {"given_up", r.GivenUp}, {"expired", r.Expired}, {"orphans", r.Orphans}} {
		if c.n > 0 {
			attrs = append(attrs, slog.Int(c.name, c.n))
		}
	}
	return slog.GroupValue(attrs...)
}

// Pass looks at every job that is due. What it has done before an error stays
// done.
func (s *Janitor) Pass(ctx context.Context) (Report, error) {
	var report Report
	var failed []error
	for range maxBatches {
		due, err := s.Jobs.Due(ctx, time.Now(), batch)
		if err != nil {
			return report, fmt.Errorf("find due jobs: %w", err)
		}
		for _, j := range due {
			ctx := logs.With(ctx, slog.String("job", j.ID))
			err := s.look(ctx, j, &report)
			switch {
			case errors.Is(err, jobs.ErrNotDue), errors.Is(err, jobs.ErrNotFound),
				errors.Is(err, jobs.ErrFinished), errors.Is(err, jobs.ErrLeased):
				// Somebody else has seen to it meanwhile.
			case err != nil:
				failed = append(failed, fmt.Errorf("job %s: %w", j.ID, err))
				if len(failed) >= maxErrors || ctx.Err() != nil {
					return report, errors.Join(failed...)
				}
			}
		}
		if len(due) < batch || failed != nil { // which would come again
			return report, errors.Join(failed...)
		}
	}
	return report, nil
}

// look does what a due job needs.
func (s *Janitor) look(ctx context.Context, j jobs.Job, report *Report) error {
	p, now := s.Config.Policy, time.Now()
	switch {
	case j.State.Final() && !j.Notification.EndedAt.IsZero():
		report.Expired++
		slog.InfoContext(ctx, "expired", "state", j.State)
		return jobs.Erase(ctx, s.Jobs, s.Videos, s.Audio, j)
	case j.State.Final():
		report.Reminded++
		return s.wake(ctx, j, queue.MP3)
	case j.Attempts >= p.MaxAttempts:
		if _, err := s.Jobs.Update(ctx, j.ID, func(j *jobs.Job) error { return j.FailExhausted(p, now) }); err != nil {
			return err
		}
		report.GivenUp++
		slog.WarnContext(ctx, "attempts exhausted", "attempts", j.Attempts)
		if err := s.Videos.Delete(ctx, j.Video.ID); err != nil {
			slog.WarnContext(ctx, "video left to the search for orphans", "video", j.Video.ID, "error", err)
		}
		return s.Queue.Wake(ctx, queue.MP3, j.ID)
	default:
		report.Woken++
		return s.wake(ctx, j, queue.Video)
	}
}

// wake repeats a wake-up call and then sets the time of the next, in this
// order: while the broker is away, the job stays due.
func (s *Janitor) wake(ctx context.Context, j jobs.Job, q queue.Queue) error {
	if err := s.Queue.Wake(ctx, q, j.ID); err != nil {
		return err
	}
	slog.InfoContext(ctx, "woken again", "queue", q.Name, "state", j.State, "wakes", j.Wakes+1)
	_, err := s.Jobs.Update(ctx, j.ID, func(j *jobs.Job) error { return j.WakeSent(s.Config.Policy, time.Now()) })
	return err
}
