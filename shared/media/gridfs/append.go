package gridfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/store"
)

// An object that arrives in parts has chunks from the first byte on, and a files
// document when it is complete. Chunks are inserted in order, so the last one says how
// much is stored. Of two writers, the unique index on files_id and n lets only one
// insert a chunk, and a chunk grows only from what its writer has read.

// Append writes r to the end of an object that has offset bytes. It takes as much memory
// as Put.
func (s *Store) Append(ctx context.Context, o media.Object, offset int64, r io.Reader) (int64, error) {
	key, err := objectID(o.ID)
	if err != nil {
		return 0, fmt.Errorf("media: append: %w", err)
	}
	last := noChunk
	if offset > 0 {
		if last, err = s.lastChunkAt(ctx, key, offset); err != nil {
			return 0, appendError(ctx, err)
		}
	}
	done, err := s.send(ctx, key, last, media.LimitReader(r, o.Size-offset), true)
	if err == nil && offset+done.read == o.Size {
		if offset > 0 || done.first.IsZero() {
			done.first, err = s.verify(ctx, key, o.Size)
		}
		if err == nil {
			_, err = s.complete(ctx, newFile(key, o), done.first)
		}
	}
	return done.stored, appendError(ctx, err)
}

// Complete makes an object of which o.Size bytes are stored available.
func (s *Store) Complete(ctx context.Context, o media.Object) (media.Object, error) {
	key, err := objectID(o.ID)
	if err != nil {
		return media.Object{}, fmt.Errorf("media: complete: %w", err)
	}
	f, err := s.completed(ctx, key, o.Size)
	if errors.Is(err, mongo.ErrNoDocuments) {
		var first bson.ObjectID
		if first, err = s.verify(ctx, key, o.Size); err == nil {
			f, err = s.complete(ctx, newFile(key, o), first)
		}
	}
	return f.object(), appendError(ctx, err)
}

// completed returns the files document of an object of this size.
func (s *Store) completed(ctx context.Context, key bson.ObjectID, size int64) (file, error) {
	f, err := s.find(ctx, key)
	if err == nil && (f.Metadata.Deleted || f.Length != size) {
		err = media.ErrConflict
	}
	return f, err
}

// Written returns how many bytes of an object are stored.
func (s *Store) Written(ctx context.Context, key string) (int64, error) {
	oid, err := objectID(key)
	if err != nil {
		return 0, nil //nolint:nilerr // there is no such object
	}
	last, err := s.lastChunk(ctx, oid)
	return last.end(), appendError(ctx, err)
}

// Truncate shortens an incomplete object.
func (s *Store) Truncate(ctx context.Context, key string, size int64) error {
	oid, err := objectID(key)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, slowTimeout)
	defer cancel()
	if _, err := s.find(ctx, oid); !errors.Is(err, mongo.ErrNoDocuments) {
		return appendError(ctx, errors.Join(err, media.ErrConflict))
	}
	whole, rest := size/chunkSize, size%chunkSize
	if rest > 0 {
		whole++
	}
	_, err = s.chunks.DeleteMany(ctx, bson.D{{Key: "files_id", Value: oid}, {Key: "n", Value: bson.D{{Key: "$gte", Value: whole}}}})
	if err != nil || rest == 0 {
		return appendError(ctx, err)
	}
	last, err := s.lastChunk(ctx, oid)
	if err != nil || last.end() <= size {
		return appendError(ctx, err)
	}
	return appendError(ctx, s.replaceChunk(ctx, last, last.Data[:rest]))
}

func appendError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case mongo.IsDuplicateKeyError(err):
		err = fmt.Errorf("%w: %w", media.ErrConflict, err)
	}
	return store.Error(ctx, "media: append", err)
}

func objectID(key string) (bson.ObjectID, error) {
	if !id.Valid(key) {
		return bson.NilObjectID, fmt.Errorf("%q is not an identifier", key)
	}
	return bson.ObjectIDFromHex(key)
}

func newFile(key bson.ObjectID, o media.Object) file {
	return file{
		ID:         key,
		Length:     o.Size,
		ChunkSize:  chunkSize,
		UploadDate: time.Now().UTC().Truncate(time.Millisecond),
		Filename:   o.Name,
		Metadata:   metadata{Job: o.Job, ContentType: o.ContentType},
	}
}

// complete inserts the files document. Unlike commit it keeps the chunks if that fails,
// because it can be repeated.
func (s *Store) complete(ctx context.Context, f file, first bson.ObjectID) (file, error) {
	_, err := s.files.InsertOne(ctx, f)
	if mongo.IsDuplicateKeyError(err) {
		return s.completed(ctx, f.ID, f.Length)
	}
	if err == nil && f.Length > 0 {
		err = s.checkNotSwept(ctx, f.ID, first)
	}
	return f, err
}

// verify returns the _id of the first chunk of an object that has size bytes and all of
// its chunks.
func (s *Store) verify(ctx context.Context, key bson.ObjectID, size int64) (first bson.ObjectID, err error) {
	last, err := s.lastChunkAt(ctx, key, size)
	if err != nil || last.N < 0 {
		return first, err
	}
	switch count, err := s.chunks.CountDocuments(ctx, bson.D{{Key: "files_id", Value: key}}); {
	case err != nil:
		return first, err
	case count != int64(last.N)+1:
		return first, fmt.Errorf("%w: %d of %d chunks are stored", media.ErrConflict, count, last.N+1)
	}
	var chunk lastChunk
	err = s.chunks.FindOne(ctx, bson.D{{Key: "files_id", Value: key}, {Key: "n", Value: 0}},
		options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Decode(&chunk)
	return chunk.ID, err
}
