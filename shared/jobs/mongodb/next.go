package mongodb

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/jobs"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/store"
)

// recentStarts is how many of the latest attempts are read to find whose turn it is.
// Owners without one among them come first.
const recentStarts = 500

// Next returns the job that should be converted next, or jobs.ErrNotFound.
func (s *Store) Next(ctx context.Context, now time.Time) (jobs.Job, error) {
	waiting := bson.D{
		{Key: "state", Value: jobs.Queued},
		// Not $lte: a record of an earlier version has no such field.
		{Key: "notBefore", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: now}}}}},
	}
	cursor, err := s.jobs.Aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: waiting}},
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$owner"}}}},
	})
	if err != nil {
		return jobs.Job{}, store.Error(ctx, "jobs: next", err)
	}
	groups, err := mongodb.ReadAll[struct {
		Owner string `bson:"_id"`
	}](ctx, cursor)
	if err != nil {
		return jobs.Job{}, store.Error(ctx, "jobs: next", err)
	}
	var owners []string
	for _, g := range groups {
		owners = append(owners, g.Owner)
	}
	if len(owners) > 1 {
		if owners, err = s.longestWaiting(ctx, owners); err != nil {
			return jobs.Job{}, store.Error(ctx, "jobs: next", err)
		}
	}
	if len(owners) == 0 {
		return jobs.Job{}, jobs.ErrNotFound
	}
	oldest, err := s.find(ctx, append(waiting, bson.E{Key: "owner", Value: bson.D{{Key: "$in", Value: owners}}}), bson.D{{Key: "_id", Value: 1}}, 1)
	switch {
	case err != nil:
		return jobs.Job{}, err
	case len(oldest) == 0:
		return jobs.Job{}, jobs.ErrNotFound
	}
	return oldest[0], nil
}

// longestWaiting returns those owners that have no recent attempt, or else the one
// whose latest attempt began the longest ago.
func (s *Store) longestWaiting(ctx context.Context, owners []string) ([]string, error) {
	cursor, err := s.jobs.Find(ctx, bson.D{{Key: "startedAt", Value: bson.D{{Key: "$gt", Value: time.Time{}}}}},
		options.Find().
			SetSort(bson.D{{Key: "startedAt", Value: -1}}).
			SetLimit(recentStarts).
			SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "owner", Value: 1}}))
	if err != nil {
		return nil, err
	}
	recent, err := mongodb.ReadAll[struct{ Owner string }](ctx, cursor)
	if err != nil {
		return nil, err
	}
	for _, r := range recent {
		if len(owners) == 1 {
			break
		}
		owners = slices.DeleteFunc(owners, func(o string) bool { return o == r.Owner })
	}
	return owners, nil
}
