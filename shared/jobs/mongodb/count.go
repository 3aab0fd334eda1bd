package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mp3converter/shared/jobs"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/store"
)

// Count counts jobs. Its queries read the indexes that begin with state and finishedAt.
func (s *Store) Count(ctx context.Context, now, since time.Time) (jobs.Counts, error) {
	c, err := s.count(ctx, now, since)
	if err != nil {
		return jobs.Counts{}, store.Error(ctx, "jobs: count", err)
	}
	return c, nil
}

func (s *Store) count(ctx context.Context, now, since time.Time) (c jobs.Counts, err error) {
	queued := bson.D{{Key: "state", Value: jobs.Queued}}
	for _, q := range []struct {
		n      *int
		filter bson.D
	}{
		{&c.Queued, queued},
		{&c.Paused, bson.D{{Key: "state", Value: jobs.Queued}, {Key: "notBefore", Value: bson.D{{Key: "$gt", Value: now}}}}},
		{&c.Converting, bson.D{{Key: "state", Value: jobs.Converting}}},
	} {
		n, err := s.jobs.CountDocuments(ctx, q.filter)
		if err != nil {
			return c, err
		}
		*q.n = int(n)
	}
	if c.Queued > 0 {
		if c.OldestQueued, err = s.oldestQueued(ctx); err != nil {
			return c, err
		}
	}
	c.Finished, err = s.countFinished(ctx, since)
	return c, err
}

func (s *Store) countFinished(ctx context.Context, since time.Time) (map[string]int, error) {
	cursor, err := s.jobs.Aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: bson.D{
			{Key: "finishedAt", Value: bson.D{{Key: "$gt", Value: since}}},
			{Key: "state", Value: bson.D{{Key: "$in", Value: bson.A{jobs.Done, jobs.Failed}}}},
		}}},
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$failure.code"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
	})
	if err != nil {
		return nil, err
	}
	groups, err := mongodb.ReadAll[struct {
		Code string `bson:"_id"` // null if there is no failure
		N    int    `bson:"n"`
	}](ctx, cursor)
	if err != nil {
		return nil, err
	}
	finished := map[string]int{}
	for _, g := range groups {
		finished[g.Code] = g.N
	}
	return finished, nil
}
