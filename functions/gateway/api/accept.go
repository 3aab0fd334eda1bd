package api

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
)

// wakeTimeout is the time limit for publishing the wake-up. If it fails, the
// janitor sends the wake-up later.
const wakeTimeout = 5 * time.Second

// acceptJob stores the job and wakes the converter, even if the client
// disconnects meanwhile.
func (g *Gateway) acceptJob(ctx context.Context, job jobs.Job) error {
	ctx = context.WithoutCancel(ctx)
	if err := g.createJob(ctx, job); err != nil {
		return problem.Unavailable.WithCause(err)
	}
	g.wakeConverter(ctx, job)
	return nil
}

// wakeConverter sends the wake-up of a job that is stored.
func (g *Gateway) wakeConverter(ctx context.Context, job jobs.Job) {
	ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
	defer cancel()
	if err := g.Queue.Wake(ctx, queue.Video, job.ID); err != nil {
		slog.WarnContext(ctx, "job accepted without a wake-up", "error", err)
	}
}

// createJob stores the job and returns nil only if the store has confirmed it. An error
// leaves open whether the record is stored, will be, or will be rolled back. So the
// video is kept: the janitor deletes it once it is old and no record refers to it.
func (g *Gateway) createJob(ctx context.Context, job jobs.Job) error {
	return jobs.Confirm(ctx, storeTimeout, func(ctx context.Context) error {
		err := g.Jobs.Create(ctx, job)
		if errors.Is(err, jobs.ErrExists) {
			// An earlier write has arrived, but may not be durable. A durable update
			// of the record makes it so.
			_, err = g.Jobs.Update(ctx, job.ID, func(*jobs.Job) error { return nil })
		}
		return err
	})
}
