package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/jobs"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/store"
)

// Queue returns the queue as it concerns an owner. Its queries read indexes only; the
// answer is as large as the owner's queued jobs and the number of owners who wait. They are
// not one transaction: the result may mix states of the queue that are milliseconds apart.
func (s *Store) Queue(ctx context.Context, owner string, now time.Time) (jobs.Queue, error) {
	q, err := s.queue(ctx, owner, now)
	if err != nil {
		return jobs.Queue{}, store.Error(ctx, "jobs: queue", err)
	}
	return q, nil
}

func (s *Store) queue(ctx context.Context, owner string, now time.Time) (q jobs.Queue, err error) {
	if q.Waiting, err = s.waitingOf(ctx, owner); err != nil || len(q.Waiting) == 0 {
		return q, err
	}
	waiting := bson.D{
		{Key: "state", Value: jobs.Queued},
		{Key: "$or", Value: bson.A{
			bson.D{{Key: "notBefore", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: now}}}}}},
			bson.D{{Key: "owner", Value: owner}},
		}},
	}
	groups, err := s.groupByOwner(ctx, waiting)
	if err != nil {
		return q, err
	}
	// Those whose oldest job is older come first among owners without a recent attempt.
	older, err := s.groupByOwner(ctx, append(waiting[:2:2], bson.E{Key: "_id", Value: bson.D{{Key: "$lt", Value: q.Waiting[0]}}}))
	if err != nil {
		return q, err
	}
	hasOlder := map[string]bool{}
	for _, g := range older {
		hasOlder[g.Owner] = true
	}
	owners := []string{owner}
	for _, g := range groups {
		owners = append(owners, g.Owner)
	}
	latest, recent, err := s.latestStarts(ctx, owners)
	if err != nil {
		return q, err
	}
	for _, g := range groups {
		switch order := latest[g.Owner].Compare(latest[owner]); {
		case g.Owner == owner:
		case order < 0, order == 0 && hasOlder[g.Owner]:
			q.Earlier = append(q.Earlier, g.Jobs)
		default:
			q.Later = append(q.Later, g.Jobs)
		}
	}
	if q.Since, err = s.oldestQueued(ctx); err != nil {
		return q, err
	}
	for _, j := range recent {
		if len(q.Starts) < jobs.MaxStarts && !j.StartedAt.Before(q.Since) {
			q.Starts = append(q.Starts, j.StartedAt)
		}
	}
	return q, nil
}

// waitingOf returns the identifiers of an owner's queued jobs, the oldest first.
func (s *Store) waitingOf(ctx context.Context, owner string) ([]string, error) {
	cursor, err := s.jobs.Find(ctx, bson.D{{Key: "state", Value: jobs.Queued}, {Key: "owner", Value: owner}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, err
	}
	found, err := mongodb.ReadAll[struct {
		ID string `bson:"_id"`
	}](ctx, cursor)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, j := range found {
		ids = append(ids, j.ID)
	}
	return ids, nil
}

// oldestQueued returns when the oldest queued job was accepted; zero if there is none.
func (s *Store) oldestQueued(ctx context.Context) (time.Time, error) {
	oldest := func(field string, more ...bson.E) (jobs.Job, error) {
		var j jobs.Job
		err := s.jobs.FindOne(ctx, append(bson.D{{Key: "state", Value: jobs.Queued}}, more...),
			options.FindOne().SetSort(bson.D{{Key: field, Value: 1}}).
				SetProjection(bson.D{{Key: "createdAt", Value: 1}, {Key: "retriedAt", Value: 1}})).Decode(&j)
		if errors.Is(err, mongo.ErrNoDocuments) {
			err = nil
		}
		return j, err
	}
	first, err := oldest("_id")
	if err != nil || first.RetriedAt.IsZero() {
		return first.CreatedAt, err // identifiers are in the order of creation
	}
	isRetried := func(yes bool) bson.E { return bson.E{Key: "retriedAt", Value: bson.D{{Key: "$exists", Value: yes}}} }
	retried, err := oldest("retriedAt", isRetried(true))
	if err != nil {
		return time.Time{}, err
	}
	created, err := oldest("_id", isRetried(false))
	if err == nil && !created.CreatedAt.IsZero() && created.CreatedAt.Before(retried.RetriedAt) {
		return created.CreatedAt, nil
	}
	return retried.RetriedAt, err
}
