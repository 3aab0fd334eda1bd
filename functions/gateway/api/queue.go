package api

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"mp3converter/shared/jobs"
)

// addPositions adds the positions in the queue to the queued jobs of one owner. If they
// cannot be read, the jobs are shown without.
func (g *Gateway) addPositions(ctx context.Context, owner string, all []jobResponse) {
	isQueued := func(j jobResponse) bool { return j.State == jobs.Queued }
	if !slices.ContainsFunc(all, isQueued) {
		return
	}
	now := g.Jobs.Now()
	q, err := g.Jobs.Queue(ctx, owner, now)
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

// laterOf returns the later of two times, or zero if the first is zero.
func laterOf(t, u time.Time) time.Time {
	if !t.IsZero() && t.Before(u) {
		return u
	}
	return t
}
