package gridfs

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/mongodb"
)

// page is how many identifiers Sweep looks at together.
const page = 100

// Sweep removes the chunks, of objects begun before the given instant, that
// belong to no file.
func (s *Store) Sweep(ctx context.Context, before time.Time) (int, error) {
	span, err := between("", before)
	if err != nil {
		return 0, fmt.Errorf("media: sweep: %w", err)
	}
	cursor, err := s.keys(ctx, span)
	if err != nil {
		return 0, failed(ctx, "sweep", err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))

	swept := 0
	for {
		ids, err := next(ctx, cursor)
		if err != nil {
			return swept, failed(ctx, "sweep", err)
		}
		if len(ids) == 0 {
			return swept, nil
		}
		orphans, err := s.orphans(ctx, ids)
		if err != nil {
			return swept, failed(ctx, "sweep", err)
		}
		for _, key := range orphans {
			if err := s.remove(ctx, key); err != nil {
				return swept, failed(ctx, "sweep", err)
			}
			swept++
		}
	}
}

// keys returns the distinct identifiers among the chunks, which the server
// finds by leaps through the index.
func (s *Store) keys(ctx context.Context, span bson.D) (*mongo.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, removed)
	defer cancel()
	return s.chunks.Aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: bson.D{{Key: "files_id", Value: span}}}},
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$files_id"}}}},
	}, options.Aggregate().SetBatchSize(page))
}

// next takes up to a page of identifiers from a cursor.
func next(ctx context.Context, cursor *mongo.Cursor) ([]bson.ObjectID, error) {
	ctx, cancel := context.WithTimeout(ctx, mongodb.Answered)
	defer cancel()
	var ids []bson.ObjectID
	for len(ids) < page && cursor.Next(ctx) {
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

// orphans returns those of the identifiers that no file has.
func (s *Store) orphans(ctx context.Context, ids []bson.ObjectID) ([]bson.ObjectID, error) {
	ctx, cancel := context.WithTimeout(ctx, mongodb.Answered)
	defer cancel()
	cursor, err := s.files.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}},
		options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, err
	}
	var files []file
	if err := cursor.All(ctx, &files); err != nil {
		return nil, err
	}
	whole := map[bson.ObjectID]bool{}
	for _, f := range files {
		whole[f.ID] = true
	}
	var orphans []bson.ObjectID
	for _, key := range ids {
		if !whole[key] {
			orphans = append(orphans, key)
		}
	}
	return orphans, nil
}
