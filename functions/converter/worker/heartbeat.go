package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mp3converter/shared/jobs"
)

// errStopping ends the attempts of a process that has to go.
var errStopping = errors.New("the converter is stopping")

// heartbeat renews the lease, and writes the progress with it, until ctx ends.
// It ends the attempt when the lease is lost: by cancellation, or because the
// store has been out of reach for so long that another may have the job.
func (a *attempt) heartbeat(ctx context.Context, end context.CancelCauseFunc) {
	lease := a.config.Policy.Lease
	ticker := time.NewTicker(min(lease/4, 2*time.Second))
	defer ticker.Stop()
	held := time.Now().Add(lease)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		beat, cancel := context.WithDeadline(ctx, held)
		_, err := a.jobs.Update(beat, a.job.ID, func(j *jobs.Job) error {
			return j.Renew(a.config.Policy, a.holder, int(a.progress.Load()), now)
		})
		cancel()
		switch {
		case err == nil:
			held = now.Add(lease)
		case errors.Is(err, jobs.ErrLeaseLost), errors.Is(err, jobs.ErrNotFound):
			end(jobs.ErrLeaseLost)
			return
		case ctx.Err() != nil:
			return
		case time.Now().After(held):
			end(fmt.Errorf("no sign of life could be written for %v: %w", lease, err))
			return
		default:
			slog.WarnContext(ctx, "lease not renewed", "error", err)
		}
	}
}
