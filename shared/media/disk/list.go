package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

// List returns up to limit objects that were completed before the given time and
// whose identifier is greater than after.
func (s *Store) List(ctx context.Context, before time.Time, after string, limit int) ([]media.Object, error) {
	keys, err := s.keys()
	if err != nil {
		return nil, fmt.Errorf("media: list: %w", err)
	}
	var page []media.Object
	for _, key := range keys {
		if len(page) >= limit {
			break
		}
		if key <= after {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("media: list: %w", err)
		}
		f, err := s.stat(key)
		if err != nil {
			return nil, fmt.Errorf("media: list: %w", err)
		}
		if !f.complete() {
			continue
		}
		o, err := s.describe(key)
		if errors.Is(err, media.ErrNotFound) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		if o.CreatedAt.Before(before) {
			page = append(page, o)
		}
	}
	return page, ctx.Err()
}

// keys returns the identifiers of which the directory holds a file, in order. It skips
// files that are not the store's.
func (s *Store) keys() ([]string, error) {
	files, err := os.ReadDir(s.dir) // sorted
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, f := range files {
		key, _, _ := strings.Cut(f.Name(), ".")
		if !id.Valid(key) {
			continue
		}
		switch suffix := f.Name()[len(key):]; suffix {
		case "", sidecar, part, sidecar + part:
			if n := len(keys); n == 0 || keys[n-1] != key {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}
