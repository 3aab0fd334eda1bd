package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// stallTimeout limits one read of the store.
const stallTimeout = time.Minute

// errStalled ends a conversion whose store delivers nothing.
var errStalled = errors.New("no data from the store")

// storeReads reads one video from the store. Its reads pause the conversion's stopwatch.
// If one fails or stalls, it cancels the conversion with the error as the cause: ffmpeg
// would report a corrupt or short video.
type storeReads struct {
	open   func(context.Context) (io.ReadSeekCloser, error)
	clock  *stopwatch
	cancel context.CancelCauseFunc // of the conversion
	stall  time.Duration           // limits one read
	bytes  atomic.Int64            // that the store had to deliver so far
}

// openCost is what opening and seeking cost a store, in bytes.
const openCost = 256 << 10

// videoReader reads the video. It is not safe for concurrent use.
type videoReader struct {
	io.ReadSeekCloser
	ctx      context.Context
	store    *storeReads
	position int64 // of the next read, if the reader is in a readerPool
}

// openVideo opens the video.
func (s *storeReads) openVideo(ctx context.Context) (*videoReader, error) {
	r := &videoReader{ctx: ctx, store: s}
	err := s.wait(ctx, func() (err error) {
		r.ReadSeekCloser, err = s.open(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *videoReader) Read(p []byte) (n int, err error) {
	err = r.store.wait(r.ctx, func() (err error) {
		n, err = r.ReadSeekCloser.Read(p)
		return err
	})
	r.store.bytes.Add(int64(n))
	return n, err
}

// wait calls the store. After the end of ctx its errors do not matter: ffmpeg has closed
// the connection, to seek or because it is done.
func (s *storeReads) wait(ctx context.Context, call func() error) error {
	s.clock.pause()
	defer s.clock.resume()
	stalled := fmt.Errorf("%w for %v", errStalled, s.stall)
	timer := time.AfterFunc(s.stall, func() { s.cancel(fmt.Errorf("read video: %w", stalled)) })
	err := call()
	if !timer.Stop() && err != nil {
		return stalled
	}
	// Not errors.Is: the error of a lost connection wraps io.EOF.
	if err != nil && err != io.EOF && ctx.Err() == nil {
		s.cancel(fmt.Errorf("read video: %w", err))
	}
	return err
}
