package gridfs

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/media"
)

// lastChunk is the last chunk of an object.
type lastChunk struct {
	ID   bson.ObjectID `bson:"_id"`
	N    int32         `bson:"n"` // -1 if the object has no chunks
	Data []byte        `bson:"data"`
}

var noChunk = lastChunk{N: -1}

// end returns how many bytes the object has.
func (c lastChunk) end() int64 {
	if c.N < 0 {
		return 0
	}
	return int64(c.N)*chunkSize + int64(len(c.Data))
}

// start returns the data of a chunk that is not full, or nil.
func (c lastChunk) start() []byte {
	if len(c.Data) == chunkSize {
		return nil
	}
	return c.Data
}

// lastChunk reads the last chunk of an object.
func (s *Store) lastChunk(ctx context.Context, key bson.ObjectID) (c lastChunk, err error) {
	err = s.chunks.FindOne(ctx, bson.D{{Key: "files_id", Value: key}}, options.FindOne().SetSort(bson.D{{Key: "n", Value: -1}})).Decode(&c)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return noChunk, nil
	}
	return c, err
}

// lastChunkAt is lastChunk of an object that must have size bytes.
func (s *Store) lastChunkAt(ctx context.Context, key bson.ObjectID, size int64) (lastChunk, error) {
	c, err := s.lastChunk(ctx, key)
	if err == nil && c.end() != size {
		err = fmt.Errorf("%w: %d bytes are stored, not %d", media.ErrConflict, c.end(), size)
	}
	return c, err
}

// replaceChunk replaces the data of a chunk that no other writer has changed since c was
// read.
func (s *Store) replaceChunk(ctx context.Context, c lastChunk, data []byte) error {
	unchanged := bson.D{{Key: "_id", Value: c.ID}, {Key: "data", Value: bson.Binary{Data: c.Data}}}
	res, err := s.chunks.UpdateOne(ctx, unchanged, bson.D{{Key: "$set", Value: bson.D{{Key: "data", Value: bson.Binary{Data: data}}}}})
	if err == nil && res.MatchedCount == 0 {
		err = fmt.Errorf("%w: another call has changed chunk %d", media.ErrConflict, c.N)
	}
	return err
}
