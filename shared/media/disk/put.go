package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

// Put streams r into a new object. When it returns nil, the object survives a
// loss of power.
func (s *Store) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	if !id.Valid(o.ID) {
		return media.Object{}, fmt.Errorf("media: put: %q is not an identifier", o.ID)
	}
	// Whoever makes this file is the only one to write the object.
	f, err := os.OpenFile(s.path(o.ID, part), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return media.Object{}, fmt.Errorf("media: put: %w", err)
	}
	if err := s.free(o.ID); err != nil {
		return media.Object{}, fmt.Errorf("media: put: %w", errors.Join(err, f.Close(), s.remove(o.ID, part)))
	}
	if o.Size, err = fill(ctx, f, r); err == nil {
		o.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
		err = s.commit(ctx, o)
	}
	if err != nil {
		return media.Object{}, fmt.Errorf("media: put: %w", errors.Join(err, s.remove(o.ID, sidecar, "", sidecar+part, part)))
	}
	return o, nil
}

// free reports an error when an object of that identifier is there.
func (s *Store) free(key string) error {
	_, err := os.Lstat(s.path(key, sidecar))
	switch {
	case err == nil:
		return fs.ErrExist
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// fill writes all of r to f, onto the disk, and closes f.
func fill(ctx context.Context, f *os.File, r io.Reader) (n int64, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	w := &writer{file: f}
	if _, err := io.CopyBuffer(w, reader{ctx, r}, make([]byte, buffer)); err != nil {
		return w.written, err
	}
	return w.written, f.Sync()
}

const (
	buffer = 256 << 10 // bytes read at a time
	window = 8 << 20   // bytes written between hints to the system
)

// writer keeps the disk busy while the bytes come in, so that the final Sync
// is short and little of the system's memory is taken.
type writer struct {
	file            *os.File
	written, hinted int64
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.written += int64(n)
	if w.written-w.hinted >= window {
		writeback(w.file, w.hinted, w.written-w.hinted)
		w.hinted = w.written
	}
	return n, err
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// commit describes the object and gives both files their final names.
func (s *Store) commit(ctx context.Context, o media.Object) error {
	doc, err := json.Marshal(o)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(o.ID, sidecar+part), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(doc)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, suffix := range []string{"", sidecar} {
		if err := os.Rename(s.path(o.ID, suffix+part), s.path(o.ID, suffix)); err != nil {
			return err
		}
	}
	return s.sync()
}

// sync makes the names in the directory durable.
func (s *Store) sync() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
