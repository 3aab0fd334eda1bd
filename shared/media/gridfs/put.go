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
	// flushInterval is the time after which the chunks of a slow upload are sent
	// although the buffer is not full, so that Sweep sees that it is active.
	flushInterval = 10 * time.Second
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
	begun := time.Now()
	var first bson.ObjectID
	if f.Length, first, err = s.send(ctx, key, r); err != nil {
		err = errors.Join(err, s.rollBack(ctx, key, err))
	} else {
		f.UploadDate = time.Now().UTC().Truncate(time.Millisecond)
		err = s.commit(ctx, f, first, begun)
	}
	if err != nil {
		return media.Object{}, store.Error(ctx, "media: put", err)
	}
	return f.object(), nil
}

// send inserts the chunks of r. It returns its length in bytes and the _id of the
// first chunk.
func (s *Store) send(ctx context.Context, key bson.ObjectID, r io.Reader) (n int64, first bson.ObjectID, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b := buffers{free: make(chan []byte, putBuffers), full: make(chan []byte), flushInterval: s.flushInterval}
	for range putBuffers {
		b.free <- make([]byte, putBatch*chunkSize)
	}
	inserted := make(chan error, 1)
	go func() {
		var err error
		first, err = s.insertChunks(ctx, key, b)
		cancel(err) // stop reading
		inserted <- err
	}()
	n, err = b.fill(ctx, r)
	if insertErr := <-inserted; insertErr != nil {
		err = insertErr
	}
	return n, first, err
}

// buffers circulate between the goroutine that reads and the one that inserts.
type buffers struct {
	free, full    chan []byte
	flushInterval time.Duration
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
		var size int
		if size, err = b.read(ctx, r, buf); ctx.Err() != nil {
			return n, context.Cause(ctx)
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

// read fills buf, or as many chunks of it as arrive within the flush interval.
func (b buffers) read(ctx context.Context, r io.Reader, buf []byte) (size int, err error) {
	begun := time.Now()
	for size < len(buf) && err == nil && ctx.Err() == nil {
		end := (size/chunkSize + 1) * chunkSize
		var got int
		got, err = r.Read(buf[size:end])
		size += got
		if size == end && time.Since(begun) >= b.flushInterval {
			break
		}
	}
	return size, err
}

// insertChunks inserts the contents of full buffers in order and frees them. It
// returns the _id of the first chunk.
func (s *Store) insertChunks(ctx context.Context, key bson.ObjectID, b buffers) (first bson.ObjectID, err error) {
	n := int32(0)
	for buf := range b.full {
		if err := s.inserts.Acquire(ctx, 1); err != nil {
			return first, err
		}
		docs := make([]any, 0, putBatch)
		for rest := buf; len(rest) > 0; n++ {
			size := min(len(rest), chunkSize)
			chunk := bson.NewObjectID() // tells Sweep when this Put was active
			if n == 0 {
				first = chunk
			}
			docs = append(docs, bson.D{
				{Key: "_id", Value: chunk},
				{Key: "files_id", Value: key},
				{Key: "n", Value: n},
				{Key: "data", Value: bson.Binary{Data: rest[:size]}},
			})
			rest = rest[size:]
		}
		_, err := s.chunks.InsertMany(ctx, docs)
		s.inserts.Release(1)
		if err != nil {
			return first, err
		}
		b.free <- buf[:cap(buf)]
	}
	return first, nil
}

// rollBack deletes the chunks of a failed Put, even if ctx has ended. After a
// duplicate key error it deletes nothing: the identifier belongs to another
// object. The unique index on files_id and n lets only one writer insert chunk 0.
func (s *Store) rollBack(ctx context.Context, key bson.ObjectID, putErr error) error {
	if mongo.IsDuplicateKeyError(putErr) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), slowTimeout)
	defer cancel()
	return s.removeChunks(ctx, key)
}
