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
	"mp3converter/shared/mongodb"
)

// Open returns an object and a reader of it, or media.ErrNotFound. A reader
// holds a few megabytes, and nothing until the first Read. A chunk that is not
// there, or not of its proper size, is an error to the reader, never the end.
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
	case errors.Is(err, mongo.ErrNoDocuments):
		return media.Object{}, nil, media.ErrNotFound
	case err != nil:
		return media.Object{}, nil, failed(ctx, "open", err)
	case f.Length < 0 || f.Length > 0 && f.ChunkSize <= 0:
		return media.Object{}, nil, fmt.Errorf("media: %s is damaged: %d bytes in chunks of %d", key, f.Length, f.ChunkSize)
	}
	return f.object(), &seeker{ctx: ctx, chunks: s.chunks, file: f}, nil
}

func (s *Store) find(ctx context.Context, key bson.ObjectID) (f file, err error) {
	ctx, cancel := context.WithTimeout(ctx, mongodb.Answered)
	defer cancel()
	err = s.files.FindOne(ctx, bson.D{{Key: "_id", Value: key}}).Decode(&f)
	return f, err
}

// seeker reads a file from any position on.
type seeker struct {
	ctx    context.Context
	chunks *mongo.Collection
	file   file

	pos    int64
	stream *stream // of chunks in order; nil until there is something to read
	n      int64   // the chunk in data
	data   []byte  // nil when there is none
	closed bool
}

// near is how many chunks are rather read and dropped than jumped over.
const near = 4

// Read reads up to the end of a chunk.
func (s *seeker) Read(p []byte) (int, error) {
	switch {
	case s.closed:
		return 0, fmt.Errorf("media: read: %w", fs.ErrClosed)
	case s.ctx.Err() != nil:
		return 0, fmt.Errorf("media: read: %w", s.ctx.Err())
	case len(p) == 0:
		return 0, nil
	case s.pos >= s.file.Length:
		return 0, io.EOF
	}
	size := int64(s.file.ChunkSize)
	if err := s.load(s.pos / size); err != nil {
		return 0, failed(s.ctx, "read", err)
	}
	got := copy(p, s.data[s.pos%size:])
	s.pos += int64(got)
	return got, nil
}

// load makes chunk n the one in data.
func (s *seeker) load(n int64) error {
	if s.data != nil && s.n == n {
		return nil
	}
	s.data = nil
	if s.stream != nil && (n < s.stream.next || n > s.stream.next+near) {
		s.stop()
	}
	if s.stream == nil {
		s.stream = newStream(s.ctx, s.chunks, s.file, n)
	}
	for {
		at := s.stream.next
		data, err := s.stream.chunk()
		if err != nil {
			s.stop()
			return err
		}
		if at == n {
			s.n, s.data = n, data
			return nil
		}
	}
}

func (s *seeker) stop() {
	if s.stream != nil {
		s.stream.close()
		s.stream = nil
	}
}

// Seek moves to any position that is not before the start. It costs nothing
// until the next Read.
func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.file.Length
	default:
		return 0, fmt.Errorf("media: seek: no such whence as %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("media: seek: before the start")
	}
	s.pos = offset
	return offset, nil
}

// Close lets go of what the reader holds.
func (s *seeker) Close() error {
	s.stop()
	s.data, s.closed = nil, true
	return nil
}
