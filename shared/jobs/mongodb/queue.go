package mongodb

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/jobs"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/store"
)

// queued is the part of a queued job that is in an index.
type queued struct {
	ID        string    `bson:"_id"`
	Owner     string    `bson:"owner"`
	NotBefore time.Time `bson:"notBefore"`
}

// Queue returns the queue as it concerns an owner. It reads all queued jobs, but only from
// an index: 2000 of them are about 150 kB. Its queries are not one transaction: the result
// may mix states of the queue that are milliseconds apart.
func (s *Store) Queue(ctx context.Context, owner string, now time.Time) (jobs.Queue, error) {
	q, err := s.queue(ctx, owner, now)
	if err != nil {
		return jobs.Queue{}, store.Error(ctx, "jobs: queue", err)
	}
	return q, nil
}

func (s *Store) queue(ctx context.Context, owner string, now time.Time) (q jobs.Queue, err error) {
	all, err := s.allQueued(ctx)
	if err != nil {
		return q, err
	}
	waiting, oldest := map[string]int{}, map[string]string{} // by owner
	for _, j := range all {
		if j.Owner == owner {
			q.Waiting = append(q.Waiting, j.ID)
		} else if j.NotBefore.After(now) {
			continue
		}
		waiting[j.Owner]++
		if first, ok := oldest[j.Owner]; !ok || j.ID < first {
			oldest[j.Owner] = j.ID
		}
	}
	if len(q.Waiting) == 0 {
		return q, nil
	}
	slices.Sort(q.Waiting)
	latest, recent, err := s.latestStarts(ctx, slices.Collect(maps.Keys(waiting)))
	if err != nil {
		return q, err
	}
	for other, n := range waiting {
		switch order := cmp.Or(latest[other].Compare(latest[owner]), cmp.Compare(oldest[other], oldest[owner])); {
		case order < 0:
			q.Earlier = append(q.Earlier, n)
		case order > 0:
			q.Later = append(q.Later, n)
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

// allQueued returns all queued jobs.
func (s *Store) allQueued(ctx context.Context) ([]queued, error) {
	cursor, err := s.jobs.Find(ctx, bson.D{{Key: "state", Value: jobs.Queued}},
		options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}, {Key: "owner", Value: 1}, {Key: "notBefore", Value: 1}}))
	if err != nil {
		return nil, err
	}
	return mongodb.ReadAll[queued](ctx, cursor)
}

// oldestQueued returns when the oldest queued job was accepted; zero if there is none. The
// order of identifiers is that in which uploads began, not that in which they ended.
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
	first, err := oldest("createdAt")
	if err != nil || first.RetriedAt.IsZero() {
		return first.CreatedAt, err
	}
	isRetried := func(yes bool) bson.E { return bson.E{Key: "retriedAt", Value: bson.D{{Key: "$exists", Value: yes}}} }
	retried, err := oldest("retriedAt", isRetried(true))
	if err != nil {
		return time.Time{}, err
	}
	created, err := oldest("createdAt", isRetried(false))
	if err == nil && !created.CreatedAt.IsZero() && created.CreatedAt.Before(retried.RetriedAt) {
		return created.CreatedAt, nil
	}
	return retried.RetriedAt, err
}
