package mongodb

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/jobs"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/store"
)

// Create stores a new job, at revision 0, or returns jobs.ErrExists.
func (s *Store) Create(ctx context.Context, j jobs.Job) error {
	j.Revision = 0
	_, err := s.jobs.InsertOne(ctx, j)
	switch {
	case mongo.IsDuplicateKeyError(err):
		return jobs.ErrExists
	case err != nil:
		return store.Error(ctx, "jobs: create", err)
	case j.IdempotencyKey != "":
		return s.claimKey(ctx, j)
	}
	return nil
}

// Get returns a job or jobs.ErrNotFound.
func (s *Store) Get(ctx context.Context, id string) (jobs.Job, error) {
	var j jobs.Job
	err := s.jobs.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&j)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return jobs.Job{}, jobs.ErrNotFound
	case err != nil:
		return jobs.Job{}, store.Error(ctx, "jobs: read", err)
	}
	return j, nil
}

// Update reads the job, applies change and writes it back if the revision is
// still the same. Otherwise it starts again, until it succeeds or ctx ends.
func (s *Store) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	for conflicts := 0; ; conflicts++ {
		if err := backOff(ctx, conflicts); err != nil {
			return jobs.Job{}, store.Error(ctx, "jobs: update", err)
		}
		j, err := s.Get(ctx, id)
		if err != nil {
			return jobs.Job{}, err
		}
		revision := j.Revision
		if err := change(&j); err != nil {
			return jobs.Job{}, err
		}
		j.ID, j.Revision = id, revision+1
		switch replaced, err := s.replace(ctx, j, revision); {
		case err != nil:
			return jobs.Job{}, err
		case replaced:
			return j, nil
		}
	}
}

// replace stores j in place of the given revision and reports whether that
// revision was current.
func (s *Store) replace(ctx context.Context, j jobs.Job, revision int64) (bool, error) {
	res, err := s.jobs.ReplaceOne(ctx, bson.D{{Key: "_id", Value: j.ID}, {Key: "revision", Value: revision}}, j)
	if err != nil {
		return false, store.Error(ctx, "jobs: update", err)
	}
	return res.MatchedCount == 1, nil
}

// backOff waits after the nth conflict for a random time that grows with n, up to
// 100 ms, so that the same writers do not conflict again.
func backOff(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	maxDelay := min(time.Millisecond<<min(n, 10), 100*time.Millisecond)
	timer := time.NewTimer(rand.N(maxDelay))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Delete deletes a job. Deleting one that does not exist is no error.
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := s.prepareDelete(ctx, id); err != nil {
		return store.Error(ctx, "jobs: delete", err)
	}
	if _, err := s.jobs.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}}); err != nil {
		return store.Error(ctx, "jobs: delete", err)
	}
	return nil
}

// Due returns up to limit jobs that are due at now, the earliest first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]jobs.Job, error) {
	filter := bson.D{{Key: "dueAt", Value: bson.D{{Key: "$lte", Value: now}}}}
	return s.find(ctx, filter, bson.D{{Key: "dueAt", Value: 1}}, limit)
}

// Usage returns what an owner's jobs occupy.
func (s *Store) Usage(ctx context.Context, owner string) (jobs.Usage, error) {
	sizes := bson.D{{Key: "_id", Value: 0}, {Key: "state", Value: 1}, {Key: "video.size", Value: 1}, {Key: "audio.size", Value: 1}, {Key: "videoUntil", Value: 1}}
	cursor, err := s.jobs.Find(ctx, bson.D{{Key: "owner", Value: owner}}, options.Find().SetProjection(sizes))
	if err != nil {
		return jobs.Usage{}, store.Error(ctx, "jobs: usage", err)
	}
	all, err := mongodb.ReadAll[jobs.Job](ctx, cursor)
	if err != nil {
		return jobs.Usage{}, store.Error(ctx, "jobs: usage", err)
	}
	var u jobs.Usage
	for _, j := range all {
		switch {
		case !j.State.Final():
			u.Unfinished++
			u.Bytes += j.Video.Size
		case !j.VideoUntil.IsZero():
			u.Bytes += j.Video.Size
		default:
			u.Bytes += j.Audio.Size
		}
	}
	return u, nil
}

func (s *Store) find(ctx context.Context, filter, order bson.D, limit int) ([]jobs.Job, error) {
	if limit <= 0 {
		return nil, nil // to the server, 0 means no limit
	}
	cursor, err := s.jobs.Find(ctx, filter, options.Find().SetSort(order).SetLimit(int64(limit)))
	if err != nil {
		return nil, store.Error(ctx, "jobs: list", err)
	}
	found, err := mongodb.ReadAll[jobs.Job](ctx, cursor)
	if err != nil {
		return nil, store.Error(ctx, "jobs: list", err)
	}
	return found, nil
}
