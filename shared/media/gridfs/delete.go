package gridfs

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/mongodb"
)

// Delete removes an object. Removing one that is not there is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if !id.Valid(key) {
		return nil
	}
	oid, err := bson.ObjectIDFromHex(key)
	if err != nil {
		return fmt.Errorf("media: delete: %w", err)
	}
	if err := s.remove(ctx, oid); err != nil {
		return failed(ctx, "delete", err)
	}
	return nil
}

// removed is how long removing a large object may take.
const removed = time.Minute

// remove removes the file, and with it the object, and then its chunks.
func (s *Store) remove(ctx context.Context, key bson.ObjectID) error {
	ctx, cancel := context.WithTimeout(ctx, removed)
	defer cancel()
	if _, err := s.files.DeleteOne(ctx, bson.D{{Key: "_id", Value: key}}); err != nil {
		return err
	}
	_, err := s.chunks.DeleteMany(ctx, bson.D{{Key: "files_id", Value: key}})
	return err
}

// List returns up to limit objects that were begun before the given instant,
// above the identifier after.
func (s *Store) List(ctx context.Context, before time.Time, after string, limit int) ([]media.Object, error) {
	if limit <= 0 {
		return nil, nil // to the server, 0 means all
	}
	span, err := between(after, before)
	if err != nil {
		return nil, fmt.Errorf("media: list: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, mongodb.Answered)
	defer cancel()
	cursor, err := s.files.Find(ctx, bson.D{{Key: "_id", Value: span}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, failed(ctx, "list", err)
	}
	var files []file
	if err := cursor.All(ctx, &files); err != nil {
		return nil, failed(ctx, "list", err)
	}
	var page []media.Object
	for _, f := range files {
		page = append(page, f.object())
	}
	return page, nil
}

// between is the condition on identifiers above after and begun before an
// instant.
func between(after string, before time.Time) (bson.D, error) {
	limit, err := bson.ObjectIDFromHex(id.Before(before))
	if err != nil {
		return nil, err
	}
	span := bson.D{{Key: "$lt", Value: limit}}
	if after != "" {
		above, err := bson.ObjectIDFromHex(after)
		if err != nil {
			return nil, err
		}
		span = append(span, bson.E{Key: "$gt", Value: above})
	}
	return span, nil
}
