package mongodb

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
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
	latest, _, err := s.latestStarts(ctx, owners)
	if err != nil {
		return nil, err
	}
	first := slices.MinFunc(owners, func(a, b string) int { return latest[a].Compare(latest[b]) })
	return slices.DeleteFunc(owners, func(o string) bool { return !latest[o].Equal(latest[first]) }), nil
}

// latestStarts returns when the latest attempt of each owner began, if it is recent, and the
// latest attempts of all owners, the latest first.
func (s *Store) latestStarts(ctx context.Context, owners []string) (map[string]time.Time, []start, error) {
	recent, err := s.jobs.Find(ctx, bson.D{{Key: "startedAt", Value: bson.D{{Key: "$gt", Value: time.Time{}}}}},
		options.Find().
			SetSort(bson.D{{Key: "startedAt", Value: -1}}).
			SetLimit(recentStarts).
			SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "owner", Value: 1}, {Key: "startedAt", Value: 1}}))
	if err != nil {
		return nil, nil, err
	}
	ofJobs, err := mongodb.ReadAll[start](ctx, recent)
	if err != nil {
		return nil, nil, err
	}
	deleted, err := s.turns.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: owners}}}})
	if err != nil {
		return nil, nil, err
	}
	ofDeleted, err := mongodb.ReadAll[turn](ctx, deleted)
	if err != nil {
		return nil, nil, err
	}
	latest := map[string]time.Time{}
	for _, t := range ofDeleted {
		latest[t.Owner] = t.StartedAt
	}
	for _, j := range ofJobs {
		if j.StartedAt.After(latest[j.Owner]) {
			latest[j.Owner] = j.StartedAt
		}
	}
	return latest, ofJobs, nil
}

// start is the part of a job that Next compares.
type start struct {
	Owner     string    `bson:"owner"`
	StartedAt time.Time `bson:"startedAt"`
}

// turn is a document of the collection turns.
type turn struct {
	Owner     string    `bson:"_id"`
	StartedAt time.Time `bson:"startedAt"`
}

// prepareDelete records when the latest attempt of a job began that is about to be deleted,
// and deletes its idempotency key. Without the former an owner who deletes finished jobs
// would always be the next in turn.
func (s *Store) prepareDelete(ctx context.Context, id string) error {
	var j jobs.Job
	err := s.jobs.FindOne(ctx, bson.D{{Key: "_id", Value: id}}, options.FindOne().SetProjection(
		bson.D{{Key: "owner", Value: 1}, {Key: "startedAt", Value: 1}, {Key: "idempotencyKey", Value: 1}})).Decode(&j)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil
	case err != nil:
		return err
	}
	if err := s.releaseKey(ctx, id, j.Owner, j.IdempotencyKey); err != nil || j.StartedAt.IsZero() {
		return err
	}
	_, err = s.turns.UpdateOne(ctx, bson.D{{Key: "_id", Value: j.Owner}},
		bson.D{{Key: "$max", Value: bson.D{{Key: "startedAt", Value: j.StartedAt}}}}, options.UpdateOne().SetUpsert(true))
	return err
}
