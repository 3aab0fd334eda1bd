package crash

import (
	"context"
	"io"
	"sync"
	"time"

	"mp3converter/shared/media"
)

type mediaStore struct {
	name    string
	store   media.Store
	control Control
}

var _ media.Store = mediaStore{}

// Media wraps a media store, whose points begin with name.
func Media(name string, s media.Store, c Control) media.Store { return mediaStore{name, s, c} }

func (s mediaStore) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	if err := s.control.failed(s.name + ".Put"); err != nil {
		return media.Object{}, err
	}
	begun := sync.OnceFunc(func() { s.control.pass(s.name + ".Put begun") })
	o, err := s.store.Put(ctx, o, &beganReader{r, false, begun})
	if err == nil {
		s.control.pass(s.name + ".Put")
	}
	return o, err
}

// beganReader calls began when the bytes of the first Read have been used.
type beganReader struct {
	io.Reader
	some  bool
	began func()
}

func (r *beganReader) Read(p []byte) (int, error) {
	if r.some {
		r.began()
	}
	n, err := r.Reader.Read(p)
	r.some = r.some || n > 0
	return n, err
}

func (s mediaStore) Delete(ctx context.Context, id string) error {
	_, r, openErr := s.store.Open(ctx, id)
	if openErr == nil {
		r.Close()
	}
	err := s.store.Delete(ctx, id)
	if err == nil && openErr == nil {
		s.control.pass(s.name + ".Delete")
	}
	return err
}

func (s mediaStore) Append(ctx context.Context, o media.Object, offset int64, r io.Reader) (int64, error) {
	if err := s.control.failed(s.name + ".Append"); err != nil {
		return 0, err
	}
	begun := sync.OnceFunc(func() { s.control.pass(s.name + ".Append begun") })
	n, err := s.store.Append(ctx, o, offset, &beganReader{r, false, begun})
	if n > 0 {
		s.control.pass(s.name + ".Append")
	}
	return n, err
}

func (s mediaStore) Complete(ctx context.Context, o media.Object) (media.Object, error) {
	o, err := s.store.Complete(ctx, o)
	if err == nil {
		s.control.pass(s.name + ".Complete")
	}
	return o, err
}

func (s mediaStore) Written(ctx context.Context, id string) (int64, error) {
	return s.store.Written(ctx, id)
}

func (s mediaStore) Truncate(ctx context.Context, id string, size int64) error {
	err := s.store.Truncate(ctx, id, size)
	if err == nil {
		s.control.pass(s.name + ".Truncate")
	}
	return err
}

func (s mediaStore) Sweep(ctx context.Context, before time.Time, keep func(id string) bool) (int, error) {
	n, err := s.store.Sweep(ctx, before, keep)
	if err == nil && n > 0 {
		s.control.pass(s.name + ".Sweep")
	}
	return n, err
}

func (s mediaStore) Open(ctx context.Context, id string) (media.Object, io.ReadSeekCloser, error) {
	return s.store.Open(ctx, id)
}

func (s mediaStore) List(ctx context.Context, before time.Time, after string, limit int) ([]media.Object, error) {
	return s.store.List(ctx, before, after, limit)
}

func (s mediaStore) Free(ctx context.Context) (int64, error) { return s.store.Free(ctx) }
