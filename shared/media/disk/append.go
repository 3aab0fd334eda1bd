package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

// Append writes r to the end of the file of an object that has offset bytes. What it
// returns as stored survives a power failure.
func (s *Store) Append(ctx context.Context, o media.Object, offset int64, r io.Reader) (n int64, err error) {
	unlock, err := s.lockPart(ctx, o.ID)
	if err != nil {
		return 0, fmt.Errorf("media: append: %w", err)
	}
	defer unlock()
	f, err := s.openPart(o.ID, offset)
	if err != nil {
		return 0, fmt.Errorf("media: append: %w", err)
	}
	n, err = s.appendTo(ctx, f, offset, media.LimitReader(r, o.Size-offset))
	if err == nil && offset+n == o.Size {
		_, err = s.complete(ctx, o)
	}
	if err != nil {
		err = fmt.Errorf("media: append: %w", err)
	}
	return n, err
}

// appendTo writes r to f, which is positioned at offset, syncs it, also if r fails, and
// closes it. It returns how many bytes are durable.
func (s *Store) appendTo(ctx context.Context, f *os.File, offset int64, r io.Reader) (n int64, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err = copyTo(ctx, f, offset, r)
	syncErr := s.sync(f)
	if syncErr == nil && offset == 0 {
		syncErr = s.syncDir() // the file may be new
	}
	if syncErr != nil {
		return 0, errors.Join(err, syncErr)
	}
	return n, err
}

// Complete makes an object of which o.Size bytes are stored available.
func (s *Store) Complete(ctx context.Context, o media.Object) (media.Object, error) {
	unlock, err := s.lockPart(ctx, o.ID)
	if err != nil {
		return media.Object{}, fmt.Errorf("media: complete: %w", err)
	}
	defer unlock()
	if o, err = s.complete(ctx, o); err != nil {
		return media.Object{}, fmt.Errorf("media: complete: %w", err)
	}
	return o, nil
}

// Written returns the size of an object, whether or not it is complete.
func (s *Store) Written(ctx context.Context, key string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("media: written: %w", err)
	}
	n, err := s.size(key)
	if err != nil {
		return 0, fmt.Errorf("media: written: %w", err)
	}
	return n, nil
}

// Truncate shortens the file of an incomplete object.
func (s *Store) Truncate(ctx context.Context, key string, size int64) error {
	unlock, err := s.lockPart(ctx, key)
	if err == nil {
		defer unlock()
		err = s.truncate(key, size)
	}
	if err != nil {
		return fmt.Errorf("media: truncate: %w", err)
	}
	return nil
}

// lockPart reserves an incomplete object for the caller, or returns media.ErrConflict.
// Only this process writes to the directory.
func (s *Store) lockPart(ctx context.Context, key string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !id.Valid(key) {
		return nil, fmt.Errorf("%q is not an identifier", key)
	}
	if _, locked := s.parts.LoadOrStore(key, true); locked {
		return nil, fmt.Errorf("%w: another call writes to it", media.ErrConflict)
	}
	return func() { s.parts.Delete(key) }, nil
}

// openPart opens the file of an incomplete object that has size bytes, to write to its end.
func (s *Store) openPart(key string, size int64) (*os.File, error) {
	if err := s.undoCommit(key); err != nil {
		return nil, err
	}
	switch n, err := s.size(key); {
	case err != nil:
		return nil, err
	case n != size:
		return nil, fmt.Errorf("%w: %d bytes are stored, not %d", media.ErrConflict, n, size)
	}
	f, err := os.OpenFile(s.path(key, part), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// undoCommit gives the file of an object back the name that it had before a commit that
// was interrupted.
func (s *Store) undoCommit(key string) error {
	switch f, err := s.stat(key); {
	case err != nil:
		return err
	case f.complete():
		return fmt.Errorf("%w: it is complete", media.ErrConflict)
	case f.bytes:
		return os.Rename(s.path(key, ""), s.path(key, part))
	}
	return nil
}

// complete commits an object that has o.Size bytes, if that has not been done.
func (s *Store) complete(ctx context.Context, o media.Object) (media.Object, error) {
	switch n, err := s.size(o.ID); {
	case err != nil:
		return o, err
	case n != o.Size:
		return o, fmt.Errorf("%w: %d bytes are stored, not %d", media.ErrConflict, n, o.Size)
	}
	f, err := s.stat(o.ID)
	if err != nil {
		return o, err
	}
	if f.complete() {
		return s.describe(o.ID)
	}
	if err := s.undoCommit(o.ID); err != nil {
		return o, err
	}
	o.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
	return o, s.commit(ctx, o)
}

func (s *Store) truncate(key string, size int64) (err error) {
	if err := s.undoCommit(key); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(key, part), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err == nil && info.Size() > size { // else it would grow
		err = f.Truncate(size)
	}
	return errors.Join(err, s.sync(f))
}

// size returns the size of the file of an object under the name it has before or after
// a commit; 0 if there is none.
func (s *Store) size(key string) (int64, error) {
	if !id.Valid(key) {
		return 0, nil
	}
	for _, suffix := range []string{part, ""} {
		info, err := os.Lstat(s.path(key, suffix))
		if err == nil {
			return info.Size(), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return 0, nil
}
