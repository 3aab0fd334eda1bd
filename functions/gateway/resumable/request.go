package resumable

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/token"
)

// request is what this package knows of a request. tusd passes the context of the request
// to the data store and to the locker.
type request struct {
	handler  *Handler
	user     token.Claims
	metadata string    // the header
	key      string    // idempotency key of a creation, or ""
	checksum *checksum // nil if there is none
	hasPart  bool      // the request brings a part of the file
	body     *body

	interrupt func() // lets reading the body fail

	lock   *lock    // of the upload, once it is locked
	upload jobs.Job // once it is known
	err    error    // why a method of this package has failed
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	return ctx.Value(requestKey{}).(*request)
}

// fail records an error for the response and returns it.
func (q *request) fail(err error) error {
	if err != nil && q.err == nil {
		q.err = err
	}
	return err
}

// body is the body of a request. It records the error that ends it, and can be
// interrupted.
type body struct {
	io.ReadCloser
	interrupted, reading, ended atomic.Bool

	mu  sync.Mutex
	err error
}

var errInterrupted = errors.New("interrupted by another request")

func (b *body) Read(p []byte) (int, error) {
	b.reading.Store(true)
	defer b.reading.Store(false)
	if b.interrupted.Load() {
		return 0, errInterrupted
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	return n, err
}

// failure returns why the body could not be read to its end, or nil.
func (b *body) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// interrupt lets reading fail. It repeats that, because the reader may be about to set a
// deadline of its own.
func (b *body) interrupt(control *http.ResponseController) {
	b.interrupted.Store(true)
	for !b.ended.Load() && control.SetReadDeadline(time.Now()) == nil && b.reading.Load() {
		time.Sleep(10 * time.Millisecond)
	}
}
