package gridfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/mongodb"
)

// stream reads the chunks of a file in order, a batch at a time. It asks for the
// next batch when it hands out the last chunk of one, so that a reader who only
// takes a look costs no more than a look.
type stream struct {
	next   int64 // the chunk that comes out next
	chunks chan []byte
	err    error // why there are no more; to be read once chunks is closed
	cancel context.CancelFunc
}

const (
	// few is the size of the first batch, which somebody waits for who may
	// only want a look before seeking elsewhere; many is that of the others.
	few, many = 2, 8
	// A query asks for no more than widest chunks, 16 MB. A cursor over a whole
	// video would live as long as its reader takes, and a server that sorts in
	// memory would hold all of it. For a look such a server is asked for
	// narrowest; each query then asks for twice as many as the one before.
	narrowest, widest = 4, 64
	// patience is how often in a row a stream begins again where its
	// connection, or its cursor on the server, was lost.
	patience = 3
)

// newStream begins to read at chunk n.
func newStream(ctx context.Context, c *mongo.Collection, f file, n int64) *stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{next: n, chunks: make(chan []byte), cancel: cancel}
	go func() {
		defer close(s.chunks)
		s.err = s.run(ctx, c, f, n)
	}()
	return s
}

// chunk returns the next chunk.
func (s *stream) chunk() ([]byte, error) {
	data, ok := <-s.chunks
	if !ok {
		if s.err == nil {
			return nil, errors.New("read beyond the last chunk")
		}
		return nil, s.err
	}
	s.next++
	return data, nil
}

// close ends the stream, and waits until it has.
func (s *stream) close() {
	s.cancel()
	for range s.chunks {
	}
}

// run sends the chunks from n to the last. A download may be slower than a
// cursor lives, and longer than a server does.
func (s *stream) run(ctx context.Context, c *mongo.Collection, f file, n int64) error {
	end := (f.Length - 1) / int64(f.ChunkSize)
	window := int64(narrowest)
	for failures := 0; n <= end; {
		got, err := s.scan(ctx, c, f, n, min(end, n+window-1))
		window = min(2*window, widest)
		n += got
		if got > 0 {
			failures = 0
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil || !lost(err) || failures >= patience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond << failures):
		}
		failures++
	}
	return nil
}

// again are the server's codes for: ask again, a cursor is gone or this server is
// about to be.
var again = []int{
	43,        // CursorNotFound
	91, 11600, // ShutdownInProgress, InterruptedAtShutdown
	189, 11602, // PrimarySteppedDown, InterruptedDueToReplStateChange
	10107, 13435, // NotWritablePrimary, NotPrimaryNoSecondaryOk
	13436, // NotPrimaryOrSecondary
	237,   // CursorKilled
}

// lost reports whether an error says that asking again may help.
func lost(err error) bool {
	var command mongo.CommandError
	return mongo.IsNetworkError(err) || errors.As(err, &command) && slices.ContainsFunc(again, command.HasErrorCode)
}

// scan sends the chunks from n to last and returns how many it sent.
func (s *stream) scan(ctx context.Context, c *mongo.Collection, f file, n, last int64) (sent int64, err error) {
	cursor, err := find(ctx, c, f.ID, n, last)
	if err != nil {
		return 0, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mongodb.Reachable)
		defer cancel()
		cursor.Close(ctx)
	}()
	cursor.SetBatchSize(many)
	for ; n <= last; n++ {
		data, err := chunk(ctx, cursor, f, n)
		if err != nil {
			return sent, err
		}
		select {
		case s.chunks <- data:
			sent++
		case <-ctx.Done():
			return sent, ctx.Err()
		}
	}
	return sent, nil
}

func find(ctx context.Context, c *mongo.Collection, key bson.ObjectID, first, last int64) (*mongo.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, mongodb.Answered)
	defer cancel()
	span := bson.D{{Key: "$gte", Value: first}, {Key: "$lte", Value: last}}
	return c.Find(ctx,
		bson.D{{Key: "files_id", Value: key}, {Key: "n", Value: span}},
		options.Find().
			SetSort(bson.D{{Key: "n", Value: 1}}).
			SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "n", Value: 1}, {Key: "data", Value: 1}}).
			SetBatchSize(few))
}

// chunk returns the data of chunk n, which the cursor is to come to now.
func chunk(ctx context.Context, cursor *mongo.Cursor, f file, n int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, mongodb.Answered)
	defer cancel()
	if !cursor.Next(ctx) {
		if err := cursor.Err(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s is damaged: chunk %d is missing", f.ID.Hex(), n)
	}
	var doc struct {
		N    int64  `bson:"n"`
		Data []byte `bson:"data"`
	}
	if err := cursor.Decode(&doc); err != nil {
		return nil, err
	}
	want := min(int64(f.ChunkSize), f.Length-n*int64(f.ChunkSize))
	switch {
	case doc.N != n:
		return nil, fmt.Errorf("%s is damaged: chunk %d is missing", f.ID.Hex(), n)
	case int64(len(doc.Data)) != want:
		return nil, fmt.Errorf("%s is damaged: chunk %d has %d bytes instead of %d", f.ID.Hex(), n, len(doc.Data), want)
	}
	return doc.Data, nil
}
