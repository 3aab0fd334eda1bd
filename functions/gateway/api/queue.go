package api

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"mp3converter/shared/jobs"
)

// queueTimeout limits the reading of the queue, without which a job can be shown too.
const queueTimeout = 2 * time.Second

// addPositions adds the positions in the queue to the queued jobs of one owner. If they
// cannot be read, the jobs are shown without.
func (g *Gateway) addPositions(ctx context.Context, owner string, all []jobResponse) {
	isQueued := func(j jobResponse) bool { return j.State == jobs.Queued }
	if !slices.ContainsFunc(all, isQueued) {
		return
	}
	now := g.Jobs.Now()
	q, err := g.readQueue(ctx, owner, now)
	if err != nil {
		slog.WarnContext(ctx, "queue not read", "error", err)
		return
	}
	for i := range all {
		j := &all[i]
		if !isQueued(*j) {
			continue
		}
		position := q.Position(j.ID)
		j.QueuePosition = &position
		j.ExpectedStart = laterOf(q.ExpectedStart(position, now), j.pausedUntil)
	}
}

// readQueue reads the queue as it concerns an owner. Requests of the same owner at the same
// time share one reading: a program may poll many jobs, and the queue may be long.
func (g *Gateway) readQueue(ctx context.Context, owner string, now time.Time) (jobs.Queue, error) {
	shared := g.queueReads.DoChan(owner, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queueTimeout)
		defer cancel()
		return g.Jobs.Queue(ctx, owner, now)
	})
	select {
	case r := <-shared:
		q, _ := r.Val.(jobs.Queue)
		return q, r.Err
	case <-ctx.Done():
		return jobs.Queue{}, ctx.Err()
	}
}

// laterOf returns the later of two times, or zero if the first is zero.
func laterOf(t, u time.Time) time.Time {
	if !t.IsZero() && t.Before(u) {
		return u
	}
	return t
}
