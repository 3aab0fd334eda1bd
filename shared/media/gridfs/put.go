package gridfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/mongodb"
)

// The driver's own upload stream holds 16 MiB, copies all of it to send it, and
// reads nothing while it sends. This one holds two batches of a few chunks and
// reads one while it sends the other.
const (
	chunkSize = 255 << 10 // bytes; what GridFS calls the default
	batch     = 8         // chunks sent at a time
)

// Put streams r into a new object. Beside what r holds it takes some 10 MB of
// memory, whatever the size of the object.
func (s *Store) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	if !id.Valid(o.ID) {
		return media.Object{}, fmt.Errorf("media: put: %q is not an identifier", o.ID)
	}
	key, err := bson.ObjectIDFromHex(o.ID)
	if err != nil {
		return media.Object{}, fmt.Errorf("media: put: %w", err)
	}
	f := file{
		ID:        key,
		ChunkSize: chunkSize,
		Filename:  o.Name,
		Metadata:  metadata{Job: o.Job, ContentType: o.ContentType},
	}
	if f.Length, err = s.send(ctx, key, r); err == nil {
		f.UploadDate = time.Now().UTC().Truncate(time.Millisecond)
		err = s.commit(ctx, f)
	}
	if err != nil {
		return media.Object{}, failed(ctx, "put", errors.Join(err, s.undo(ctx, key, err)))
	}
	return f.object(), nil
}

// send stores all of r as chunks and returns its length.
func (s *Store) send(ctx context.Context, key bson.ObjectID, r io.Reader) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := pipe{spare: make(chan []byte, 2), full: make(chan []byte)}
	for range cap(p.spare) {
		p.spare <- make([]byte, batch*chunkSize)
	}
	inserted := make(chan error, 1)
	go func() {
		err := s.insertAll(ctx, key, p)
		cancel(err) // there is no use in reading on
		inserted <- err
	}()
	n, err := p.fill(ctx, r)
	if failure := <-inserted; failure != nil {
		return n, failure
	}
	return n, err
}

// pipe takes buffers from the one who reads to the one who inserts, and back.
type pipe struct {
	spare, full chan []byte
}

// fill reads r to its end, or until ctx ends.
func (p pipe) fill(ctx context.Context, r io.Reader) (n int64, err error) {
	defer close(p.full)
	for err == nil {
		var buf []byte
		select {
		case buf = <-p.spare:
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
		size := 0
		for size < len(buf) && err == nil {
			if ctx.Err() != nil {
				return n, context.Cause(ctx)
			}
			var got int
			got, err = r.Read(buf[size:])
			size += got
		}
		n += int64(size)
		if size == 0 || err != nil && err != io.EOF {
			break
		}
		select {
		case p.full <- buf[:size]:
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// insertAll stores what comes in, in order, and gives the buffers back.
func (s *Store) insertAll(ctx context.Context, key bson.ObjectID, p pipe) error {
	n := int32(0)
	for buf := range p.full {
		docs := make([]any, 0, batch)
		for rest := buf; len(rest) > 0; n++ {
			size := min(len(rest), chunkSize)
			docs = append(docs, bson.D{
				{Key: "_id", Value: bson.NewObjectID()},
				{Key: "files_id", Value: key},
				{Key: "n", Value: n},
				{Key: "data", Value: bson.Binary{Data: rest[:size]}},
			})
			rest = rest[size:]
		}
		if err := s.insert(ctx, docs); err != nil {
			return err
		}
		p.spare <- buf[:cap(buf)]
	}
	return nil
}

func (s *Store) insert(ctx context.Context, docs []any) error {
	ctx, cancel := context.WithTimeout(ctx, mongodb.Answered)
	defer cancel()
	_, err := s.chunks.InsertMany(ctx, docs)
	return err
}

// commit makes the object be there.
func (s *Store) commit(ctx context.Context, f file) error {
	ctx, cancel := context.WithTimeout(ctx, mongodb.Answered)
	defer cancel()
	_, err := s.files.InsertOne(ctx, f)
	return err
}

// undo removes what a Put that failed has written, also when its context has
// ended. A duplicate key means that the identifier is another's: the first
// chunk that either writes decides whose it is, so nothing there is ours.
func (s *Store) undo(ctx context.Context, key bson.ObjectID, why error) error {
	if mongo.IsDuplicateKeyError(why) {
		return nil
	}
	return s.remove(context.WithoutCancel(ctx), key)
}
