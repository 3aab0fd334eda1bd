package api

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"mp3converter/shared/jobs"
)

// uploadRenewal is the interval at which the lease of an upload is renewed.
const uploadRenewal = jobs.UploadLease / 3

// holdUpload calls f and renews the lease of the upload meanwhile. If the lease is lost,
// the context of f ends, and holdUpload returns jobs.ErrLeaseLost if f fails.
func (g *Gateway) holdUpload(ctx context.Context, jobID, holder string, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		if err := g.renewUpload(ctx, jobID, holder); err != nil {
			cancel(err)
		}
	})
	err := f(ctx)
	cancel(nil)
	renewing.Wait()
	if err != nil && errors.Is(context.Cause(ctx), jobs.ErrLeaseLost) {
		return jobs.ErrLeaseLost
	}
	return err
}

// renewUpload renews a lease until ctx ends or the lease is lost.
func (g *Gateway) renewUpload(ctx context.Context, jobID, holder string) error {
	ticker := time.NewTicker(uploadRenewal)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		_, err := g.Jobs.Update(ctx, jobID, func(j *jobs.Job) error {
			_, err := j.RenewUpload(g.uploadPolicy(), holder, g.Jobs.Now())
			return err
		})
		switch {
		case jobs.NothingToDo(err):
			return jobs.ErrLeaseLost
		case err != nil && ctx.Err() == nil: // the lease lasts until another request takes it
			slog.WarnContext(ctx, "lease of the upload not renewed", "error", err)
		}
	}
}
