package gridfs

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// commit completes an object whose chunks are stored. On failure it removes the object.
//
// Sweep may have taken a Put that runs for longer than media.MinSweepAge for dead. It
// inserts a tombstone before it deletes chunks, and deletes the tombstone last. So either
// f is inserted first and Sweep deletes nothing, or the insert fails, or the first chunk
// is gone afterwards.
func (s *Store) commit(ctx context.Context, f file, first bson.ObjectID, begun time.Time) error {
	_, err := s.files.InsertOne(ctx, f)
	switch {
	case mongo.IsDuplicateKeyError(err):
		return err // a tombstone or another object
	case err != nil:
		return errors.Join(err, s.revoke(ctx, f.ID))
	case f.Length == 0 || time.Since(begun) < s.minSweepAge:
		return nil
	}
	return s.checkNotSwept(ctx, f.ID, first)
}

// checkNotSwept removes the object whose files document has just been inserted, and
// returns an error, if Sweep or Delete has deleted its chunks before.
func (s *Store) checkNotSwept(ctx context.Context, key, first bson.ObjectID) error {
	err := s.chunks.FindOne(ctx, bson.D{{Key: "_id", Value: first}}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = errors.New("chunks were deleted, perhaps because none had arrived for too long")
	}
	if err != nil {
		return errors.Join(err, s.remove(context.WithoutCancel(ctx), key))
	}
	return nil
}

// revoke ends a commit whose outcome is unknown, even if ctx has ended. The insert of
// the files document may have failed or been applied, or still be on its way to the
// server: then it fails because of the tombstone, which Sweep deletes later.
func (s *Store) revoke(ctx context.Context, key bson.ObjectID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), slowTimeout)
	defer cancel()
	if _, err := s.insertTombstone(ctx, key); err != nil {
		return err // keeps the chunks: the object may be complete
	}
	return s.remove(ctx, key)
}

// insertTombstone reports whether it inserted a tombstone. It does not if the
// identifier has a files document.
func (s *Store) insertTombstone(ctx context.Context, key bson.ObjectID) (bool, error) {
	_, err := s.files.InsertOne(ctx, file{ID: key, ChunkSize: chunkSize, UploadDate: time.Now(), Metadata: metadata{Deleted: true}})
	if mongo.IsDuplicateKeyError(err) {
		return false, nil
	}
	return err == nil, err
}

var (
	isTombstone    = bson.E{Key: "metadata.deleted", Value: true}
	isNotTombstone = bson.E{Key: "metadata.deleted", Value: bson.D{{Key: "$ne", Value: true}}}
)
