// Package disk keeps media as plain files in one directory: the store of one
// laptop. The bytes of object ID are in the file ID, what describes them in
// ID.json; anybody may read them there.
//
// An object is there when both files are. While it is being written they are
// called ID.part and ID.json.part.
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

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

const (
	sidecar = ".json"
	part    = ".part"
)

// Store is a media.Store in a directory.
type Store struct {
	dir string
}

var _ media.Store = (*Store)(nil)

// Open returns the store in the directory dir, and makes the directory,
// accessible to this user alone, when it is missing.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	return &Store{dir: abs}, nil
}

// path names a file of an object. The identifier must be valid, so that it
// cannot lead out of the directory.
func (s *Store) path(id, suffix string) string {
	return filepath.Join(s.dir, id+suffix)
}

// Open returns an object and its file, or media.ErrNotFound. The reader is an
// *os.File, for those who would rather hand a file to another program than
// read it. It is closed when ctx ends.
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
		return media.Object{}, nil, missing("open", err)
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
		return o, missing("describe", err)
	}
	if err := json.Unmarshal(doc, &o); err != nil {
		return media.Object{}, fmt.Errorf("media: describe %s: %w", key, err)
	}
	return o, nil
}

func missing(doing string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return media.ErrNotFound
	}
	return fmt.Errorf("media: %s: %w", doing, err)
}

// Delete removes an object. Removing one that is not there is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("media: delete: %w", err)
	}
	if !id.Valid(key) {
		return nil
	}
	// The sidecar first: from then on there is no object, only bytes that
	// Sweep knows to remove.
	if err := s.remove(key, sidecar, ""); err != nil {
		return fmt.Errorf("media: delete: %w", err)
	}
	return nil
}

// remove removes files of an object, in order, that may be missing.
func (s *Store) remove(key string, suffixes ...string) error {
	for _, suffix := range suffixes {
		if err := os.Remove(s.path(key, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
