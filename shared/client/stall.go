package client

import (
	"context"
	"errors"
	"io"
	"time"
)

var errStalled = errors.New("the connection has stalled")

// stallTimer ends a request in which nothing moves. Without it, a request on a network
// that is gone ends only when the system gives the connection up, after a quarter of an
// hour.
type stallTimer struct {
	timer  *time.Timer // nil: never
	limit  time.Duration
	cancel context.CancelCauseFunc
}

func watchForStall(ctx context.Context, limit time.Duration) (context.Context, *stallTimer) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &stallTimer{limit: limit, cancel: cancel}
	if limit > 0 {
		s.timer = time.AfterFunc(limit, func() { cancel(errStalled) })
	}
	return ctx, s
}

func (s *stallTimer) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancel(nil)
}

// reader returns a reader whose reads show that the request is alive.
func (s *stallTimer) reader(r io.ReadCloser) io.ReadCloser {
	if s.timer == nil {
		return r
	}
	return &watchedReader{r, s}
}

// explain returns errStalled for the error that the end of the request caused.
func (s *stallTimer) explain(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

type watchedReader struct {
	io.ReadCloser
	stall *stallTimer
}

func (r *watchedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.stall.timer.Reset(r.stall.limit)
	return n, err
}
