package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/jobs"
	"mp3converter/shared/store"
)

// idempotencyKey maps an owner's key to a job. It is a document of its own, because an index
// that is unique only for the records that have a key is not available everywhere. It is
// inserted after its job and deleted before. Only an insert that takes effect after it was
// answered with an error can name a job that does not exist: ByKey deletes such a key.
type idempotencyKey struct {
	ID  keyID  `bson:"_id"`
	Job string `bson:"job"`
}

type keyID struct {
	Owner string `bson:"owner"`
	Key   string `bson:"key"`
}

// ByKey returns the owner's job with an idempotency key, or jobs.ErrNotFound.
func (s *Store) ByKey(ctx context.Context, owner, key string) (jobs.Job, error) {
	var k idempotencyKey
	err := s.keys.FindOne(ctx, bson.D{{Key: "_id", Value: keyID{owner, key}}}).Decode(&k)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return jobs.Job{}, jobs.ErrNotFound
	case err != nil:
		return jobs.Job{}, store.Error(ctx, "jobs: find key", err)
	}
	j, err := s.Get(ctx, k.Job)
	if errors.Is(err, jobs.ErrNotFound) {
		if err := s.releaseKey(ctx, k.Job, owner, key); err != nil {
			return jobs.Job{}, store.Error(ctx, "jobs: find key", err)
		}
	}
	return j, err
}

// claimKey inserts the key of a job that is stored. If another job has the key, it deletes
// this one and returns jobs.ErrExists. After another error the outcome is unknown: then the
// job remains without its key, or with it, until its upload expires.
func (s *Store) claimKey(ctx context.Context, j jobs.Job) error {
	_, err := s.keys.InsertOne(ctx, idempotencyKey{keyID{j.Owner, j.IdempotencyKey}, j.ID})
	switch {
	case mongo.IsDuplicateKeyError(err):
		if _, err := s.jobs.DeleteOne(ctx, bson.D{{Key: "_id", Value: j.ID}}); err != nil {
			return store.Error(ctx, "jobs: create", err)
		}
		return jobs.ErrExists
	case err != nil:
		return store.Error(ctx, "jobs: create", err)
	}
	return nil
}

// releaseKey deletes the key of a job that is about to be deleted, or does not exist.
func (s *Store) releaseKey(ctx context.Context, id, owner, key string) error {
	if key == "" {
		return nil
	}
	_, err := s.keys.DeleteOne(ctx, bson.D{{Key: "_id", Value: keyID{owner, key}}, {Key: "job", Value: id}})
	return err
}
