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
	"mp3converter/shared/store"
)

// The driver's own upload stream buffers 16 MiB, copies it to send it, and does
// not read while it sends. This one alternates between two buffers of 2 MB, one
// being filled while the other is sent.
const (
	chunkSize  = 255 << 10 // bytes; the default of GridFS
	putBatch   = 8         // chunks per insert
	putBuffers = 2
	// maxInserts is how many inserts of a Store run at a time. The others wait,
	// without a time limit: in a burst, uploads become slower instead of reaching
	// the time limit of an operation.
	maxInserts = 4
)

// Put streams r into a new object. It takes about 10 MB of memory, whatever the
// size of the object.
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
		_, err = s.files.InsertOne(ctx, f) // commits the object
	}
	if err != nil {
		return media.Object{}, store.Error(ctx, "media: put", errors.Join(err, s.rollBack(ctx, key, err)))
	}
	return f.object(), nil
}

// send inserts the chunks of r and returns its length in bytes.
func (s *Store) send(ctx context.Context, key bson.ObjectID, r io.Reader) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b := buffers{free: make(chan []byte, putBuffers), full: make(chan []byte)}
	for range putBuffers {
		b.free <- make([]byte, putBatch*chunkSize)
	}
	inserted := make(chan error, 1)
	go func() {
		err := s.insertChunks(ctx, key, b)
		cancel(err) // stop reading
		inserted <- err
	}()
	n, err := b.fill(ctx, r)
	if insertErr := <-inserted; insertErr != nil {
		return n, insertErr
	}
	return n, err
}

// buffers circulate between the goroutine that reads and the one that inserts.
type buffers struct {
	free, full chan []byte
}

// fill reads r into buffers until r or ctx ends.
func (b buffers) fill(ctx context.Context, r io.Reader) (n int64, err error) {
	defer close(b.full)
	for err == nil {
		var buf []byte
		select {
		case buf = <-b.free:
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
		case b.full <- buf[:size]:
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// insertChunks inserts the contents of full buffers in order and frees them.
func (s *Store) insertChunks(ctx context.Context, key bson.ObjectID, b buffers) error {
	n := int32(0)
	for buf := range b.full {
		docs := make([]any, 0, putBatch)
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
		if err := s.inserts.Acquire(ctx, 1); err != nil {
			return err
		}
		_, err := s.chunks.InsertMany(ctx, docs)
		s.inserts.Release(1)
		if err != nil {
			return err
		}
		b.free <- buf[:cap(buf)]
	}
	return nil
}

// rollBack deletes what a failed Put has written, even if ctx has ended. After a
// duplicate key error it deletes nothing: the identifier belongs to another
// object. The unique index on files_id and n lets only one writer insert chunk 0.
func (s *Store) rollBack(ctx context.Context, key bson.ObjectID, putErr error) error {
	if mongo.IsDuplicateKeyError(putErr) {
		return nil
	}
	return s.remove(context.WithoutCancel(ctx), key)
}
