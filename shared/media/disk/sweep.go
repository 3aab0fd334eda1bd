package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Sweep deletes the files of incomplete objects, and the parts beside complete ones,
// if none of an object's files was written to since the given time and keep does not
// report true for its identifier.
func (s *Store) Sweep(ctx context.Context, before time.Time, keep func(id string) bool) (int, error) {
	keys, err := s.keys()
	if err != nil {
		return 0, fmt.Errorf("media: sweep: %w", err)
	}
	swept := 0
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return swept, fmt.Errorf("media: sweep: %w", err)
		}
		f, err := s.stat(key)
		if err != nil {
			return swept, fmt.Errorf("media: sweep: %w", err)
		}
		if !f.written.Before(before) || !f.remains() || keep != nil && keep(key) {
			continue
		}
		removed, err := s.removeRemains(key, f)
		if err != nil {
			return swept, fmt.Errorf("media: sweep: %w", err)
		}
		if removed {
			swept++
		}
	}
	return swept, ctx.Err()
}

// files says which files an object has, and when the last of them was written to.
type files struct {
	part, sidecarPart, sidecar, bytes bool
	written                           time.Time
}

func (f files) complete() bool { return f.bytes && f.sidecar }

// remains reports whether there are files that are not a complete object.
func (f files) remains() bool { return f.part || f.sidecarPart || f.bytes != f.sidecar }

// stat looks for the files of an object. It looks for parts first, like Put renames
// them: a file that is renamed meanwhile is found under at least one of its names.
func (s *Store) stat(key string) (f files, err error) {
	for _, c := range []struct {
		suffix string
		exists *bool
	}{{part, &f.part}, {sidecar + part, &f.sidecarPart}, {sidecar, &f.sidecar}, {"", &f.bytes}} {
		info, err := os.Lstat(s.path(key, c.suffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return files{}, err
		}
		*c.exists = true
		if info.ModTime().After(f.written) {
			f.written = info.ModTime()
		}
	}
	return f, nil
}

// removeRemains deletes the files in f that are not a complete object, and reports
// whether there were any.
//
// A Put may go on after stat, so the file that it renames next is deleted first. If
// that file is gone, Put has renamed it, and nothing else is deleted. Otherwise Put
// fails.
func (s *Store) removeRemains(key string, f files) (bool, error) {
	var remains []string
	if f.part {
		remains = append(remains, part)
	}
	if f.sidecarPart {
		remains = append(remains, sidecar+part)
	}
	if f.sidecar && !f.complete() {
		remains = append(remains, sidecar)
	}
	if f.bytes && !f.complete() {
		remains = append(remains, "")
	}
	if len(remains) == 0 {
		return false, nil
	}
	switch err := os.Remove(s.path(key, remains[0])); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, s.remove(key, remains[1:]...)
}
