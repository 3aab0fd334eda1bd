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

// Put streams r into a new object. Once it has returned nil, the object survives a
// power failure.
func (s *Store) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	if !id.Valid(o.ID) {
		return media.Object{}, fmt.Errorf("media: put: %q is not an identifier", o.ID)
	}
	// O_EXCL: of concurrent writers of the same object only one proceeds.
	f, err := os.OpenFile(s.path(o.ID, part), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return media.Object{}, fmt.Errorf("media: put: %w", err)
	}
	if err := s.checkUnused(o.ID); err != nil {
		return media.Object{}, fmt.Errorf("media: put: %w", errors.Join(err, f.Close(), s.remove(o.ID, part)))
	}
	if o.Size, err = s.writeFile(ctx, f, r); err == nil {
		o.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
		err = s.commit(ctx, o)
	}
	if err != nil {
		return media.Object{}, fmt.Errorf("media: put: %w", errors.Join(err, s.remove(o.ID, sidecar, "", sidecar+part, part)))
	}
	return o, nil
}

// checkUnused returns fs.ErrExist if an object with that identifier exists.
func (s *Store) checkUnused(key string) error {
	_, err := os.Lstat(s.path(key, sidecar))
	switch {
	case err == nil:
		return fs.ErrExist
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// writeFile writes r to f, syncs it and closes it.
func (s *Store) writeFile(ctx context.Context, f *os.File, r io.Reader) (n int64, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	if n, err = copyTo(ctx, f, 0, r); err != nil {
		return n, err
	}
	return n, s.sync(f)
}

// copyTo writes r to f, which is positioned at offset. It returns how many bytes it has
// written.
func copyTo(ctx context.Context, f *os.File, offset int64, r io.Reader) (int64, error) {
	w := &writer{file: f, written: offset, flushed: offset}
	_, err := io.CopyBuffer(w, reader{ctx, r}, make([]byte, copyBuffer))
	return w.written - offset, err
}

const (
	copyBuffer        = 256 << 10 // bytes
	writebackInterval = 8 << 20   // bytes written between calls of writeback
)

// writer starts writeback while the bytes arrive, so that the final Sync is short
// and the page cache holds few dirty pages.
type writer struct {
	file             *os.File
	written, flushed int64
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.written += int64(n)
	if w.written-w.flushed >= writebackInterval {
		writeback(w.file, w.flushed, w.written-w.flushed)
		w.flushed = w.written
	}
	return n, err
}

// reader fails once its context has ended.
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

// commit writes the sidecar and renames both files to their final names.
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
	if err := errors.Join(err, s.sync(f), f.Close()); err != nil {
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
	return s.syncDir()
}

// syncDir makes the directory entries durable.
func (s *Store) syncDir() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(s.sync(d), d.Close())
}
