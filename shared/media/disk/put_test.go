package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

// Put syncs the bytes and the sidecar before it renames them, and then the directory.
func TestPutSyncs(t *testing.T) {
	s, key := open(t), id.New()
	type call struct {
		file  string
		files []string // in the directory, as suffixes
	}
	var calls []call
	s.sync = func(f *os.File) error {
		name := strings.TrimPrefix(filepath.Base(f.Name()), key)
		calls = append(calls, call{name, suffixes(t, s, key)})
		return f.Sync()
	}
	if _, err := s.Put(t.Context(), media.Object{ID: key}, strings.NewReader("text")); err != nil {
		t.Fatal(err)
	}
	want := []call{
		{".part", []string{".part"}},
		{".json.part", []string{".json.part", ".part"}},
		{"media", []string{"", ".json"}}, // the directory
	}
	if !slices.EqualFunc(calls, want, func(a, b call) bool { return a.file == b.file && slices.Equal(a.files, b.files) }) {
		t.Errorf("synced %q\n  want %q", calls, want)
	}
}

// If a sync fails, or the context ends before the object is complete, Put fails and
// leaves nothing.
func TestPutFailsAtSync(t *testing.T) {
	broken := errors.New("input/output error")
	for n, what := range []string{"bytes", "sidecar", "directory"} {
		t.Run(what+" not synced", func(t *testing.T) {
			s := open(t)
			calls := 0
			s.sync = func(*os.File) error {
				calls++
				if calls == n+1 {
					return broken
				}
				return nil
			}
			_, err := s.Put(t.Context(), media.Object{ID: id.New()}, strings.NewReader("text"))
			if !errors.Is(err, broken) {
				t.Errorf("Put: %v, want %v", err, broken)
			}
			if left := entries(t, s); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
	t.Run("context ends", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.sync = func(f *os.File) error {
			if strings.HasSuffix(f.Name(), sidecar+part) {
				cancel()
			}
			return nil
		}
		_, err := s.Put(ctx, media.Object{ID: id.New()}, strings.NewReader("text"))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Put: %v, want %v", err, context.Canceled)
		}
		if left := entries(t, s); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	})
}

// A key that is a path reaches no file outside of the directory, even one that looks
// like an object.
func TestKeysAreNotPaths(t *testing.T) {
	s := open(t)
	outside := &Store{dir: filepath.Dir(s.dir), sync: s.sync}
	o := put(t, outside, "some text")
	key := "../" + o.ID
	if _, r, err := s.Open(t.Context(), key); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Open(%q): %v, want %v", key, err, media.ErrNotFound)
		if err == nil {
			r.Close()
		}
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Errorf("Delete(%q): %v", key, err)
	}
	if _, r, err := outside.Open(t.Context(), o.ID); err != nil {
		t.Errorf("the file outside of the directory after Delete(%q): %v", key, err)
	} else {
		r.Close()
	}
	if _, err := s.Put(t.Context(), media.Object{ID: "../" + id.New()}, strings.NewReader("")); err == nil {
		t.Error("Put of a path succeeds")
	}
}
