package gridfs

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/mongodb"
	"mp3converter/shared/store"
)

// sweepPage is how many identifiers Sweep checks in one query.
const sweepPage = 100

// Sweep deletes the chunks that have no files document and whose files_id was made
// before the given time.
func (s *Store) Sweep(ctx context.Context, before time.Time) (int, error) {
	idsBefore, err := idRange("", before)
	if err != nil {
		return 0, fmt.Errorf("media: sweep: %w", err)
	}
	cursor, err := s.chunkOwners(ctx, idsBefore)
	if err != nil {
		return 0, store.Error(ctx, "media: sweep", err)
	}
	defer mongodb.CloseCursor(ctx, cursor)

	swept := 0
	for {
		ids, err := nextPage(ctx, cursor)
		if err != nil {
			return swept, store.Error(ctx, "media: sweep", err)
		}
		if len(ids) == 0 {
			return swept, nil
		}
		orphans, err := s.orphans(ctx, ids)
		if err != nil {
			return swept, store.Error(ctx, "media: sweep", err)
		}
		for _, key := range orphans {
			if err := s.remove(ctx, key); err != nil {
				return swept, store.Error(ctx, "media: sweep", err)
			}
			swept++
		}
	}
}

// chunkOwners returns the distinct files_id values of the chunks in the range. The
// server finds them by a scan of the index.
func (s *Store) chunkOwners(ctx context.Context, ids bson.D) (*mongo.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	return s.chunks.Aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: bson.D{{Key: "files_id", Value: ids}}}},
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
