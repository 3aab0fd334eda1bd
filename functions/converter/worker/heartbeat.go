package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mp3converter/shared/jobs"
)

// errStopping cancels the attempts of a process that shuts down.
var errStopping = errors.New("the converter is stopping")

// heartbeat renews the lease and records the progress until ctx ends. When the worker
// is asked to stop it records that at once, because it may be killed. It cancels the
// attempt if the lease is lost: the job was cancelled or deleted, or the
// store was unreachable for so long that another worker may have claimed it.
func (a *attempt) heartbeat(ctx context.Context, cancelAttempt context.CancelCauseFunc) {
	policy := a.worker.config.Policy
	ticker := time.NewTicker(min(policy.Lease/4, 2*time.Second))
	defer ticker.Stop()
	leasedUntil := time.Now().Add(policy.Lease)
	drain := a.worker.drain.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-drain:
			drain = nil
		case <-ticker.C:
		}
		now := time.Now()
		renewCtx, cancel := context.WithDeadline(ctx, leasedUntil)
		_, err := a.worker.jobs.Update(renewCtx, a.job.ID, func(j *jobs.Job) error {
			if drain == nil {
				if err := j.Drain(a.holder); err != nil {
					return err
				}
			}
			return j.Renew(policy, a.holder, int(a.progress.Load()), a.worker.jobs.Now())
		})
		cancel()
		switch {
		case err == nil:
			leasedUntil = now.Add(policy.Lease)
		case jobs.NothingToDo(err):
			cancelAttempt(jobs.ErrLeaseLost)
			return
		case ctx.Err() != nil:
			return
		case time.Now().After(leasedUntil):
			cancelAttempt(fmt.Errorf("lease not renewed for %v: %w", policy.Lease, err))
			return
		default:
			slog.WarnContext(ctx, "lease not renewed", "error", err)
		}
	}
}
