package gridfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/store"
)

// Open returns an object and a reader of it, or media.ErrNotFound. A reader
// buffers a few megabytes, and nothing before the first Read. Reading a chunk
// that is missing or has the wrong size is an error, never io.EOF.
func (s *Store) Open(ctx context.Context, key string) (media.Object, io.ReadSeekCloser, error) {
	if !id.Valid(key) {
		return media.Object{}, nil, media.ErrNotFound
	}
	oid, err := bson.ObjectIDFromHex(key)
	if err != nil {
		return media.Object{}, nil, fmt.Errorf("media: open: %w", err)
	}
	f, err := s.find(ctx, oid)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments) || f.Metadata.Deleted:
		return media.Object{}, nil, media.ErrNotFound
	case err != nil:
		return media.Object{}, nil, store.Error(ctx, "media: open", err)
	case f.Length < 0 || f.Length > 0 && f.ChunkSize <= 0:
		return media.Object{}, nil, fmt.Errorf("media: %s is damaged: %d bytes in chunks of %d", key, f.Length, f.ChunkSize)
	}
	return f.object(), &reader{ctx: ctx, chunks: s.chunks, file: f}, nil
}

func (s *Store) find(ctx context.Context, key bson.ObjectID) (f file, err error) {
	err = s.files.FindOne(ctx, bson.D{{Key: "_id", Value: key}}).Decode(&f)
	return f, err
}

// reader is an io.ReadSeekCloser over the chunks of a file.
type reader struct {
	ctx    context.Context
	chunks *mongo.Collection
	file   file

	pos    int64
	stream *chunkStream // nil before the first Read and after a seek
	n      int64        // index of the chunk in data
	data   []byte       // nil if no chunk is loaded
	closed bool
}

// maxSkip is how many chunks are read and discarded instead of starting a new
// query.
const maxSkip = 4

// Read reads at most to the end of a chunk.
func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.closed:
		return 0, fmt.Errorf("media: read: %w", fs.ErrClosed)
	case r.ctx.Err() != nil:
		return 0, fmt.Errorf("media: read: %w", r.ctx.Err())
	case len(p) == 0:
		return 0, nil
	case r.pos >= r.file.Length:
		return 0, io.EOF
	}
	size := int64(r.file.ChunkSize)
	if err := r.load(r.pos / size); err != nil {
		return 0, store.Error(r.ctx, "media: read", err)
	}
	got := copy(p, r.data[r.pos%size:])
	r.pos += int64(got)
	return got, nil
}

// load loads chunk n into data.
func (r *reader) load(n int64) error {
	if r.data != nil && r.n == n {
		return nil
	}
	r.data = nil
	if r.stream != nil && (n < r.stream.next || n > r.stream.next+maxSkip) {
		r.stop()
	}
	if r.stream == nil {
		r.stream = newChunkStream(r.ctx, r.chunks, r.file, n)
	}
	for {
		at := r.stream.next
		data, err := r.stream.read()
		if err != nil {
			r.stop()
			return err
		}
		if at == n {
			r.n, r.data = n, data
			return nil
		}
	}
}

func (r *reader) stop() {
	if r.stream != nil {
		r.stream.close()
		r.stream = nil
	}
}

// Seek sets the position of the next Read. It does no I/O.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.file.Length
	default:
		return 0, fmt.Errorf("media: seek: invalid whence %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("media: seek: negative position")
	}
	r.pos = offset
	return offset, nil
}

// Close releases the cursor and the buffers.
func (r *reader) Close() error {
	r.stop()
	r.data, r.closed = nil, true
	return nil
}
