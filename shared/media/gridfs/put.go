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
	sent, err := s.send(ctx, key, noChunk, r, false)
	if err != nil {
		err = errors.Join(err, s.rollBack(ctx, key, err))
	} else {
		f.Length = sent.read
		f.UploadDate = time.Now().UTC().Truncate(time.Millisecond)
		err = s.commit(ctx, f, sent.first, begun)
	}
	if err != nil {
		return media.Object{}, store.Error(ctx, "media: put", err)
	}
	return f.object(), nil
}

// sent is what send has done, also if it fails.
type sent struct {
	read   int64         // bytes read
	stored int64         // bytes that the server has confirmed
	first  bson.ObjectID // of chunk 0, if it was inserted
}

// send stores r in the chunks after last, of which it first fills up the rest. With
// keep, what was read before r failed is stored too.
func (s *Store) send(ctx context.Context, key bson.ObjectID, last lastChunk, r io.Reader, keep bool) (sent, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b := buffers{free: make(chan []byte, putBuffers), full: make(chan []byte), flushInterval: s.flushInterval, keep: keep}
	for range putBuffers {
		b.free <- make([]byte, putBatch*chunkSize)
	}
	var done sent
	inserted := make(chan error, 1)
	go func() {
		var err error
		done.stored, done.first, err = s.insertChunks(ctx, key, last, b)
		cancel(err) // stop reading
		inserted <- err
	}()
	read, err := b.fill(ctx, last.start(), r)
	if insertErr := <-inserted; insertErr != nil {
		err = insertErr
	}
	done.read = read
	return done, err
}

// buffers circulate between the goroutine that reads and the one that inserts.
type buffers struct {
	free, full    chan []byte
	flushInterval time.Duration
	keep          bool // what was read before an error
}

// fill reads r into buffers until r or ctx ends. The first buffer begins with start.
func (b buffers) fill(ctx context.Context, start []byte, r io.Reader) (n int64, err error) {
	defer close(b.full)
	for err == nil {
		var buf []byte
		select {
		case buf = <-b.free:
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
		begin := copy(buf, start)
		start = nil
		var size int
		if size, err = b.read(ctx, r, buf, begin); ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		n += int64(size - begin)
		if size == begin || err != nil && err != io.EOF && !b.keep {
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

// read fills buf from begin, or as many chunks of it as arrive within the flush interval.
// It returns how much of buf is filled.
func (b buffers) read(ctx context.Context, r io.Reader, buf []byte, begin int) (size int, err error) {
	begun := time.Now()
	size = begin
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

// insertChunks stores the contents of full buffers in order, after the last chunk, and
// frees them. If that chunk is not full, the first buffer begins with its data. It
// returns the number of bytes stored and the _id of chunk 0.
func (s *Store) insertChunks(ctx context.Context, key bson.ObjectID, last lastChunk, b buffers) (stored int64, first bson.ObjectID, err error) {
	n := last.N + 1
	for buf := range b.full {
		if err := s.inserts.Acquire(ctx, 1); err != nil {
			return stored, first, err
		}
		rest, size := buf, len(buf)
		if old := last.start(); len(old) > 0 {
			grown := buf[:min(len(buf), chunkSize)]
			err = s.replaceChunk(ctx, last, grown)
			rest, size, last = buf[len(grown):], size-len(old), noChunk
		}
		if err == nil && len(rest) > 0 {
			docs := newChunks(key, n, rest)
			if n == 0 {
				first = docs[0].ID
			}
			_, err = s.chunks.InsertMany(ctx, docs)
			n += int32(len(docs))
		}
		s.inserts.Release(1)
		if err != nil {
			return stored, first, err
		}
		stored += int64(size)
		b.free <- buf[:cap(buf)]
	}
	return stored, first, nil
}

// chunk is a document of fs.chunks.
type chunk struct {
	ID   bson.ObjectID `bson:"_id"` // tells Sweep when its writer was active
	File bson.ObjectID `bson:"files_id"`
	N    int32         `bson:"n"`
	Data bson.Binary   `bson:"data"`
}

// newChunks returns the chunks from n on, which hold data.
func newChunks(key bson.ObjectID, n int32, data []byte) []chunk {
	docs := make([]chunk, 0, putBatch)
	for len(data) > 0 {
		size := min(len(data), chunkSize)
		docs = append(docs, chunk{bson.NewObjectID(), key, n, bson.Binary{Data: data[:size]}})
		data = data[size:]
		n++
	}
	return docs
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
