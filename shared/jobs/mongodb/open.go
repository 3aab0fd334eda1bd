// Package mongodb stores job records in a MongoDB collection. It is the store of
// a cluster. It uses reads, conditional writes and indexes, but neither
// transactions nor change streams.
package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"mp3converter/shared/jobs"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/store"
)

// Collection is the name of the collection.
const Collection = "jobs"

// turnsCollection holds, by owner, when the latest attempt began whose job is deleted.
const turnsCollection = "turns"

// keysCollection holds the idempotency keys of jobs.
const keysCollection = "keys"

// mailsCollection holds the mails that addresses have been sent lately.
const mailsCollection = "mails"

// Store is a jobs.Store in a MongoDB collection.
type Store struct {
	jobs, turns, keys, mails *mongo.Collection
	clock                    clock
}

var _ jobs.Store = (*Store)(nil)

// Open returns the store in db and creates the indexes that the collection
// lacks. It fails within seconds when no server can be reached. The caller
// closes db's client.
func Open(ctx context.Context, db *mongo.Database) (*Store, error) {
	s := &Store{jobs: db.Collection(Collection), turns: db.Collection(turnsCollection), keys: db.Collection(keysCollection), mails: db.Collection(mailsCollection)}
	err := mongodb.EnsureIndexes(ctx, s.jobs,
		mongodb.Index{Keys: bson.D{{Key: "owner", Value: 1}, {Key: "_id", Value: -1}}},
		mongodb.Index{Keys: bson.D{{Key: "owner", Value: 1}, {Key: "tag", Value: 1}, {Key: "_id", Value: -1}}},
		mongodb.Index{Keys: bson.D{{Key: "dueAt", Value: 1}}},
		mongodb.Index{Keys: bson.D{{Key: "state", Value: 1}, {Key: "owner", Value: 1}, {Key: "notBefore", Value: 1}, {Key: "_id", Value: 1}}},
		mongodb.Index{Keys: bson.D{{Key: "state", Value: 1}, {Key: "createdAt", Value: 1}}},
		mongodb.Index{Keys: bson.D{{Key: "startedAt", Value: -1}, {Key: "owner", Value: 1}}},
		mongodb.Index{Keys: bson.D{{Key: "finishedAt", Value: 1}}})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	if err := s.clock.measure(ctx, db); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return s, nil
}

// Ping reports whether the primary can be reached.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mongodb.ConnectTimeout)
	defer cancel()
	if err := s.jobs.Database().Client().Ping(ctx, readpref.Primary()); err != nil {
		return store.Error(ctx, "jobs: ping", err)
	}
	return nil
}
