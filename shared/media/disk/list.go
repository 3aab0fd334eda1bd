package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

// List returns up to limit objects whose identifier is greater than after and was
// made before the given time.
func (s *Store) List(ctx context.Context, before time.Time, after string, limit int) ([]media.Object, error) {
	all, err := s.scan(before)
	if err != nil {
		return nil, fmt.Errorf("media: list: %w", err)
	}
	var page []media.Object
	for _, e := range all {
		if len(page) >= limit {
			break
		}
		if e.id <= after || !e.complete() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("media: list: %w", err)
		}
		o, err := s.describe(e.id)
		if errors.Is(err, media.ErrNotFound) {
			continue // deleted since the directory was read
		}
		if err != nil {
			return nil, err
		}
		page = append(page, o)
	}
	return page, ctx.Err()
}

// Sweep deletes the files of incomplete objects, and the parts beside complete ones,
// whose identifier was made before the given time.
func (s *Store) Sweep(ctx context.Context, before time.Time) (int, error) {
	all, err := s.scan(before)
	if err != nil {
		return 0, fmt.Errorf("media: sweep: %w", err)
	}
	swept := 0
	for _, e := range all {
		if err := ctx.Err(); err != nil {
			return swept, fmt.Errorf("media: sweep: %w", err)
		}
		leftovers := []string{sidecar + part, part}
		if !e.complete() {
			leftovers = append(leftovers, sidecar, "")
		} else if !e.parts {
			continue
		}
		if err := s.remove(e.id, leftovers...); err != nil {
			return swept, fmt.Errorf("media: sweep: %w", err)
		}
		swept++
	}
	return swept, ctx.Err()
}

// entry is the files that the directory holds for one identifier.
type entry struct {
	id                    string
	bytes, sidecar, parts bool
}

func (e entry) complete() bool { return e.bytes && e.sidecar }

// scan returns the entries whose identifier was made before the given time, in order
// of identifier. It skips files that are not the store's.
func (s *Store) scan(before time.Time) ([]entry, error) {
	files, err := os.ReadDir(s.dir) // sorted
	if err != nil {
		return nil, err
	}
	limit := id.Before(before)
	digits := len(limit)
	var all []entry
	for _, f := range files {
		name := f.Name()
		if len(name) < digits || !id.Valid(name[:digits]) || name[:digits] >= limit {
			continue
		}
		key, suffix := name[:digits], name[digits:]
		switch suffix {
		case "", sidecar, part, sidecar + part:
		default:
			continue
		}
		if n := len(all); n == 0 || all[n-1].id != key {
			all = append(all, entry{id: key})
		}
		e := &all[len(all)-1]
		e.bytes = e.bytes || suffix == ""
		e.sidecar = e.sidecar || suffix == sidecar
		e.parts = e.parts || suffix == part || suffix == sidecar+part
	}
	return all, nil
}
