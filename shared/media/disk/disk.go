// Package disk stores media as plain files in one directory. It is the store of a
// single machine. The bytes of an object are in the file ID, its description is in
// ID.json; other programs may read both.
//
// An object exists once both files exist. While it is being written they are named
// ID.part and ID.json.part.
package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

const (
	sidecar = ".json"
	part    = ".part"
)

// Store is a media.Store in a directory.
type Store struct {
	dir   string
	sync  func(*os.File) error // (*os.File).Sync, except in tests
	parts sync.Map             // keys: the identifiers of incomplete objects that a call writes to
}

var _ media.Store = (*Store)(nil)

// Open returns the store in the directory dir. It creates a missing directory,
// accessible by this user only.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	return &Store{dir: abs, sync: (*os.File).Sync}, nil
}

// path returns the path of a file of an object. The identifier must be valid, or
// the path may leave the directory.
func (s *Store) path(id, suffix string) string {
	return filepath.Join(s.dir, id+suffix)
}

// Open returns an object and its file, or media.ErrNotFound. The reader is an
// *os.File, which can be passed to another program. It is closed when ctx ends.
func (s *Store) Open(ctx context.Context, key string) (media.Object, io.ReadSeekCloser, error) {
	if err := ctx.Err(); err != nil {
		return media.Object{}, nil, fmt.Errorf("media: open: %w", err)
	}
	o, err := s.describe(key)
	if err != nil {
		return media.Object{}, nil, err
	}
	f, err := os.Open(s.path(key, ""))
	if err != nil {
		return media.Object{}, nil, openError("open", err)
	}
	switch info, err := f.Stat(); {
	case err != nil:
		f.Close()
		return media.Object{}, nil, fmt.Errorf("media: open: %w", err)
	case info.Size() != o.Size:
		f.Close()
		return media.Object{}, nil, fmt.Errorf("media: %s is damaged: its file has %d bytes instead of %d", key, info.Size(), o.Size)
	}
	context.AfterFunc(ctx, func() { f.Close() })
	return o, f, nil
}

// describe reads the sidecar of an object.
func (s *Store) describe(key string) (o media.Object, err error) {
	if !id.Valid(key) {
		return o, media.ErrNotFound
	}
	doc, err := os.ReadFile(s.path(key, sidecar))
	if err != nil {
		return o, openError("describe", err)
	}
	if err := json.Unmarshal(doc, &o); err != nil {
		return media.Object{}, fmt.Errorf("media: describe %s: %w", key, err)
	}
	return o, nil
}

func openError(op string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return media.ErrNotFound
	}
	return fmt.Errorf("media: %s: %w", op, err)
}

// Delete deletes an object. Deleting one that does not exist is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("media: delete: %w", err)
	}
	if !id.Valid(key) {
		return nil
	}
	// The sidecar first: without it the object does not exist, and Sweep
	// deletes the bytes if this process dies.
	if err := s.remove(key, sidecar, "", sidecar+part, part); err != nil {
		return fmt.Errorf("media: delete: %w", err)
	}
	return nil
}

// remove deletes files of an object in order. Missing files are no error.
func (s *Store) remove(key string, suffixes ...string) error {
	for _, suffix := range suffixes {
		if err := os.Remove(s.path(key, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
