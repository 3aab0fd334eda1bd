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
	"mp3converter/shared/store"
)

// Delete deletes an object. Deleting one that does not exist is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if !id.Valid(key) {
		return nil
	}
	oid, err := bson.ObjectIDFromHex(key)
	if err != nil {
		return fmt.Errorf("media: delete: %w", err)
	}
	if err := s.remove(ctx, oid); err != nil {
		return store.Error(ctx, "media: delete", err)
	}
	return nil
}

// slowTimeout bounds an operation on many chunks.
const slowTimeout = time.Minute

// remove deletes the files document, which makes the object disappear, and then
// its chunks.
func (s *Store) remove(ctx context.Context, key bson.ObjectID) error {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	if _, err := s.files.DeleteOne(ctx, bson.D{{Key: "_id", Value: key}}); err != nil {
		return err
	}
	_, err := s.chunks.DeleteMany(ctx, bson.D{{Key: "files_id", Value: key}})
	return err
}

// List returns up to limit objects whose identifier is greater than after and
// was made before the given time.
func (s *Store) List(ctx context.Context, before time.Time, after string, limit int) ([]media.Object, error) {
	if limit <= 0 {
		return nil, nil // to the server, 0 means no limit
	}
	ids, err := idRange(after, before)
	if err != nil {
		return nil, fmt.Errorf("media: list: %w", err)
	}
	cursor, err := s.files.Find(ctx, bson.D{{Key: "_id", Value: ids}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, store.Error(ctx, "media: list", err)
	}
	files, err := mongodb.ReadAll[file](ctx, cursor)
	if err != nil {
		return nil, store.Error(ctx, "media: list", err)
	}
	var page []media.Object
	for _, f := range files {
		page = append(page, f.object())
	}
	return page, nil
}

// idRange is the condition for identifiers greater than after and made before
// the given time.
func idRange(after string, before time.Time) (bson.D, error) {
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
