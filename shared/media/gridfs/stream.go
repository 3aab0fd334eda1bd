package gridfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/mongodb"
)

var readBytes = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "mp3converter_gridfs_read_bytes_total",
	Help: "Bytes of chunks read from MongoDB, by database.",
}, []string{"database"})

// chunkStream reads the chunks of a file in order. It requests the next batch
// when the last chunk of one is consumed, so that reading only the beginning of
// a file is cheap.
type chunkStream struct {
	next   int64 // index of the chunk that read returns next
	chunks chan []byte
	err    error // why the stream ended; valid once chunks is closed
	cancel context.CancelFunc
}

const (
	// The first batch is small: its reader may only inspect the header before
	// it seeks elsewhere.
	firstBatch, batchSize = 2, 8 // chunks
	// A query covers at most maxWindow chunks, 16 MB. A cursor over a whole video
	// would live as long as its reader, and a server that sorts in memory would
	// load all of it. The first query covers minWindow, each following one twice
	// as many as the one before.
	minWindow, maxWindow = 4, 64
	// maxRetries is how often in a row a query is repeated after its connection
	// or its cursor was lost.
	maxRetries = 3
)

// newChunkStream starts to read at chunk n.
func newChunkStream(ctx context.Context, c *mongo.Collection, f file, n int64) *chunkStream {
	ctx, cancel := context.WithCancel(ctx)
	s := &chunkStream{next: n, chunks: make(chan []byte), cancel: cancel}
	go func() {
		defer close(s.chunks)
		s.err = s.run(ctx, c, f, n)
	}()
	return s
}

// read returns the next chunk.
func (s *chunkStream) read() ([]byte, error) {
	data, ok := <-s.chunks
	if !ok {
		if s.err == nil {
			return nil, errors.New("read past the last chunk")
		}
		return nil, s.err
	}
	s.next++
	return data, nil
}

// close stops the stream and waits for its goroutine.
func (s *chunkStream) close() {
	s.cancel()
	for range s.chunks {
	}
}

// run sends the chunks from n to the last. A slow download may outlive a cursor
// and even the server process, so it resumes after errors that a new query can
// repair.
func (s *chunkStream) run(ctx context.Context, c *mongo.Collection, f file, n int64) error {
	end := (f.Length - 1) / int64(f.ChunkSize)
	window := int64(minWindow)
	for failures := 0; n <= end; {
		sent, err := s.query(ctx, c, f, n, min(end, n+window-1))
		window = min(2*window, maxWindow)
		n += sent
		if sent > 0 {
			failures = 0
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil || !retryable(err) || failures >= maxRetries {
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

// retryableCodes are the server's codes for a lost cursor and for a server that
// is shutting down or no longer primary.
var retryableCodes = []int{
	43,        // CursorNotFound
	91, 11600, // ShutdownInProgress, InterruptedAtShutdown
	189, 11602, // PrimarySteppedDown, InterruptedDueToReplStateChange
	10107, 13435, // NotWritablePrimary, NotPrimaryNoSecondaryOk
	13436, // NotPrimaryOrSecondary
	237,   // CursorKilled
}

// retryable reports whether a new query may succeed.
func retryable(err error) bool {
	var command mongo.CommandError
	return mongo.IsNetworkError(err) || errors.As(err, &command) && slices.ContainsFunc(retryableCodes, command.HasErrorCode)
}

// query sends the chunks from n to last and returns how many it sent.
func (s *chunkStream) query(ctx context.Context, c *mongo.Collection, f file, n, last int64) (sent int64, err error) {
	cursor, err := findChunks(ctx, c, f.ID, n, last)
	if err != nil {
		return 0, err
	}
	defer mongodb.CloseCursor(ctx, cursor)
	received := readBytes.WithLabelValues(c.Database().Name())
	// The rest of a batch has been received, too.
	defer func() { received.Add(float64(cursor.RemainingBatchLength()) * float64(f.ChunkSize)) }()
	cursor.SetBatchSize(batchSize)
	for ; n <= last; n++ {
		data, err := nextChunk(ctx, cursor, f, n)
		if err != nil {
			return sent, err
		}
		received.Add(float64(len(data)))
		select {
		case s.chunks <- data:
			sent++
		case <-ctx.Done():
			return sent, ctx.Err()
		}
	}
	return sent, nil
}

func findChunks(ctx context.Context, c *mongo.Collection, key bson.ObjectID, first, last int64) (*mongo.Cursor, error) {
	span := bson.D{{Key: "$gte", Value: first}, {Key: "$lte", Value: last}}
	return c.Find(ctx,
		bson.D{{Key: "files_id", Value: key}, {Key: "n", Value: span}},
		options.Find().
			SetSort(bson.D{{Key: "n", Value: 1}}).
			SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "n", Value: 1}, {Key: "data", Value: 1}}).
			SetBatchSize(firstBatch))
}

// nextChunk advances the cursor and returns the data of the chunk, which must be
// chunk n.
func nextChunk(ctx context.Context, cursor *mongo.Cursor, f file, n int64) ([]byte, error) {
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
