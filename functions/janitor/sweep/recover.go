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

// Recover is for the start of a process that is all there is of the service:
// no worker can be alive, and every wake-up call died with the process before.
// It takes back all leases and wakes all that is unfinished at once.
func (s *Janitor) Recover(ctx context.Context) error {
	p, now := s.Config.Policy, time.Now()
	// Nothing unfinished can be due later than this.
	horizon := now.Add(max(p.Lease, p.WakeMax) + time.Second)
	due, err := s.Jobs.Due(ctx, horizon, batch*maxBatches)
	if err != nil {
		return err
	}
	for _, j := range due {
		ctx := logs.With(ctx, slog.String("job", j.ID))
		switch {
		case j.State.Final() && j.Notification.EndedAt.IsZero():
			err = s.Queue.Wake(ctx, queue.MP3, j.ID)
		case j.State.Final():
			continue
		default:
			_, err = s.Jobs.Update(ctx, j.ID, func(j *jobs.Job) error {
				if err := j.ReleaseDead(p, now); err != nil && !errors.Is(err, jobs.ErrLeaseLost) {
					return err
				}
				return nil
			})
			if err == nil {
				slog.InfoContext(ctx, "resumed after a restart")
				err = s.Queue.Wake(ctx, queue.Video, j.ID)
			}
		}
		if err != nil {
			// The queue is full, say: the next passes wake the rest.
			slog.WarnContext(ctx, "left to the next pass", "error", err)
		}
	}
	return nil
}
