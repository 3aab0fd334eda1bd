package gridfs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/id"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/store"
)

// sweepPage is how many identifiers Sweep checks in one query.
const sweepPage = 100

// Sweep deletes chunks without a files document if no chunk of the same object has been
// sent since the given time, in whole seconds, unless keep reports true for its
// identifier. It also deletes tombstones from before that time.
func (s *Store) Sweep(ctx context.Context, before time.Time, keep func(id string) bool) (int, error) {
	limit, err := bson.ObjectIDFromHex(id.Before(before))
	if err != nil {
		return 0, fmt.Errorf("media: sweep: %w", err)
	}
	swept, err := s.sweepTombstones(ctx, before)
	if err == nil {
		var orphans int
		orphans, err = s.sweepChunks(ctx, limit, keep)
		swept += orphans
	}
	if err != nil {
		return swept, store.Error(ctx, "media: sweep", err)
	}
	return swept, nil
}

func (s *Store) sweepTombstones(ctx context.Context, before time.Time) (int, error) {
	old := bson.D{
		{Key: "filename", Value: ""}, // for the index
		{Key: "uploadDate", Value: bson.D{{Key: "$lt", Value: before}}},
		isTombstone,
	}
	for swept := 0; ; {
		cursor, err := s.files.Find(ctx, old, options.Find().SetLimit(sweepPage))
		if err != nil {
			return swept, err
		}
		tombstones, err := mongodb.ReadAll[file](ctx, cursor)
		if err != nil || len(tombstones) == 0 {
			return swept, err
		}
		for _, f := range tombstones {
			if err := s.removeTombstone(ctx, f.ID); err != nil {
				return swept, err
			}
			swept++
		}
	}
}

// removeTombstone deletes the remaining chunks first.
func (s *Store) removeTombstone(ctx context.Context, key bson.ObjectID) error {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	if err := s.removeChunks(ctx, key); err != nil {
		return err
	}
	_, err := s.files.DeleteOne(ctx, bson.D{{Key: "_id", Value: key}, isTombstone})
	return err
}

// sweepChunks looks only at identifiers less than limit: objects with others have
// been active since.
func (s *Store) sweepChunks(ctx context.Context, limit bson.ObjectID, keep func(id string) bool) (int, error) {
	cursor, err := s.chunkOwners(ctx, limit)
	if err != nil {
		return 0, err
	}
	defer mongodb.CloseCursor(ctx, cursor)
	for swept := 0; ; {
		ids, err := nextPage(ctx, cursor)
		if err != nil || len(ids) == 0 {
			return swept, err
		}
		orphans, err := s.orphans(ctx, ids)
		if err != nil {
			return swept, err
		}
		for _, key := range orphans {
			if keep != nil && keep(key.Hex()) {
				continue
			}
			removed, err := s.removeOrphan(ctx, key, limit)
			if err != nil {
				return swept, err
			}
			if removed {
				swept++
			}
		}
	}
}

// removeOrphan deletes the chunks of an object that has no files document, unless one
// of them was made since limit or a Put completes the object meanwhile.
func (s *Store) removeOrphan(ctx context.Context, key, limit bson.ObjectID) (bool, error) {
	recent := bson.D{{Key: "files_id", Value: key}, {Key: "_id", Value: bson.D{{Key: "$gte", Value: limit}}}}
	err := s.chunks.FindOne(ctx, recent, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return false, err
	}
	claimed, err := s.insertTombstone(ctx, key)
	if err != nil || !claimed {
		return false, err
	}
	return true, s.removeTombstone(ctx, key)
}

// chunkOwners returns the distinct files_id values of the chunks that are less than
// limit. The server finds them by a scan of the index.
func (s *Store) chunkOwners(ctx context.Context, limit bson.ObjectID) (*mongo.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	return s.chunks.Aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: bson.D{{Key: "files_id", Value: bson.D{{Key: "$lt", Value: limit}}}}}},
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$files_id"}}}},
	}, options.Aggregate().SetBatchSize(sweepPage))
}

// nextPage reads up to a page of identifiers from a cursor.
func nextPage(ctx context.Context, cursor *mongo.Cursor) ([]bson.ObjectID, error) {
	var ids []bson.ObjectID
	for len(ids) < sweepPage && cursor.Next(ctx) {
		var group struct {
			ID bson.ObjectID `bson:"_id"`
		}
		if err := cursor.Decode(&group); err != nil {
			return nil, err
		}
		ids = append(ids, group.ID)
	}
	return ids, cursor.Err()
}

// orphans returns the identifiers that have no files document.
func (s *Store) orphans(ctx context.Context, ids []bson.ObjectID) ([]bson.ObjectID, error) {
	cursor, err := s.files.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}},
		options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, err
	}
	files, err := mongodb.ReadAll[file](ctx, cursor)
	if err != nil {
		return nil, err
	}
	exists := map[bson.ObjectID]bool{}
	for _, f := range files {
		exists[f.ID] = true
	}
	var orphans []bson.ObjectID
	for _, key := range ids {
		if !exists[key] {
			orphans = append(orphans, key)
		}
	}
	return orphans, nil
}
