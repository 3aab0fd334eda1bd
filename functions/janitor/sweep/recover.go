package sweep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/queue"
)

// Recover is called at startup by a process that runs the whole service alone. No
// worker of the previous process is alive and its wake-ups are lost, so Recover
// releases all leases and wakes every unfinished job.
func (s *Janitor) Recover(ctx context.Context) error {
	p, now := s.config.Policy, s.jobs.Now()
	// No unfinished job is due later than this.
	horizon := now.Add(max(p.Lease, p.WakeMax, p.UploadTTL) + time.Second)
	due, err := s.jobs.Due(ctx, horizon, batchSize*maxBatches)
	if err != nil {
		return err
	}
	for _, j := range due {
		ctx := logs.With(ctx, slog.String("job", j.ID))
		if err := s.recover(ctx, j, now); err != nil {
			// The queue may be full, for example. RunOnce wakes the remaining jobs.
			slog.WarnContext(ctx, "not recovered; the janitor will retry", "error", err)
		}
	}
	return nil
}

func (s *Janitor) recover(ctx context.Context, j jobs.Job, now time.Time) error {
	switch {
	case j.State.Final() && j.Notification.EndedAt.IsZero():
		return s.queue.Wake(ctx, queue.MP3, j.ID)
	case j.State.Final():
		return nil
	}
	recovered, err := s.jobs.Update(ctx, j.ID, func(j *jobs.Job) error {
		if err := j.ReleaseDead(s.config.Policy, now); !errors.Is(err, jobs.ErrLeaseLost) {
			return err
		}
		return nil // already queued
	})
	if err != nil || recovered.State == jobs.Uploading {
		return err
	}
	slog.InfoContext(ctx, "resumed after a restart")
	return s.queue.Wake(ctx, queue.Video, j.ID)
}
