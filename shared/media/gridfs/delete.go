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
// its chunks. It keeps a tombstone.
func (s *Store) remove(ctx context.Context, key bson.ObjectID) error {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	if _, err := s.files.DeleteOne(ctx, bson.D{{Key: "_id", Value: key}, isNotTombstone}); err != nil {
		return err
	}
	return s.removeChunks(ctx, key)
}

func (s *Store) removeChunks(ctx context.Context, key bson.ObjectID) error {
	_, err := s.chunks.DeleteMany(ctx, bson.D{{Key: "files_id", Value: key}})
	return err
}

// List returns up to limit objects that were completed before the given time and
// whose identifier is greater than after. Files of other programs whose identifiers are
// not ObjectIDs match no comparison with one.
func (s *Store) List(ctx context.Context, before time.Time, after string, limit int) ([]media.Object, error) {
	if limit <= 0 {
		return nil, nil // to the server, 0 means no limit
	}
	above := bson.NilObjectID
	if after != "" {
		var err error
		if above, err = bson.ObjectIDFromHex(after); err != nil {
			return nil, fmt.Errorf("media: list: %w", err)
		}
	}
	filter := bson.D{
		{Key: "uploadDate", Value: bson.D{{Key: "$lt", Value: before}}},
		isNotTombstone,
		{Key: "_id", Value: bson.D{{Key: "$gt", Value: above}}},
	}
	cursor, err := s.files.Find(ctx, filter,
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
