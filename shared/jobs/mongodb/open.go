// Package mongodb keeps job records in a MongoDB collection: the store of a
// cluster. It asks nothing of the server but reads, conditional writes and two
// indexes; neither transactions nor change streams.
package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"mp3converter/shared/jobs"
	"mp3converter/shared/mongodb"
)

// Collection is the name of the collection.
const Collection = "jobs"

// Store is a jobs.Store in a MongoDB collection.
type Store struct {
	client *mongo.Client
	jobs   *mongo.Collection
}

var _ jobs.Store = (*Store)(nil)

// Open connects to the server at uri and makes the indexes that are missing
// from the collection in the given database. It fails within seconds when no
// server can be reached; once open, the store finds its server again by itself.
func Open(ctx context.Context, uri, database string) (*Store, error) {
	client, err := mongodb.Connect(uri)
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	s := &Store{client: client, jobs: client.Database(database).Collection(Collection)}
	err = mongodb.Ensure(ctx, s.jobs,
		mongodb.Index{Keys: bson.D{{Key: "owner", Value: 1}, {Key: "_id", Value: -1}}},
		mongodb.Index{Keys: bson.D{{Key: "dueAt", Value: 1}}})
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return s, nil
}

// Close ends the connections. Calls that are under way fail.
func (s *Store) Close() error {
	return mongodb.Close(s.client)
}

// Ping reports whether the server can be reached and would take a write.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mongodb.Reachable)
	defer cancel()
	if err := s.client.Ping(ctx, readpref.Primary()); err != nil {
		return jobs.StoreError(ctx, "ping", err)
	}
	return nil
}
