package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
)

func TestContract(t *testing.T) {
	mediatest.Run(t, func(t *testing.T) media.Store { return open(t) })
}

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "new", "media"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, text string) media.Object {
	t.Helper()
	o, err := s.Put(t.Context(), media.Object{ID: id.New(), Name: "a.txt"}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestReaderIsFile(t *testing.T) {
	s := open(t)
	o := put(t, s, "some text")
	_, r, err := s.Open(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, ok := r.(*os.File)
	if !ok {
		t.Fatalf("the reader is a %T, want an *os.File", r)
	}
	if got, err := os.ReadFile(f.Name()); string(got) != "some text" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestFilePermissions(t *testing.T) {
	s := open(t)
	put(t, s, "private")
	names := []string{s.dir}
	for _, e := range entries(t, s) {
		names = append(names, filepath.Join(s.dir, e))
	}
	if len(names) != 3 {
		t.Fatalf("found %v, want the directory and two files", names)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, want no access for others", name, info.Mode())
		}
	}
}

func TestTruncatedObject(t *testing.T) {
	s := open(t)
	o := put(t, s, "some text")
	if err := os.Truncate(s.path(o.ID, ""), 4); err != nil {
		t.Fatal(err)
	}
	if _, r, err := s.Open(t.Context(), o.ID); err == nil {
		r.Close()
		t.Error("Open of a truncated object succeeds")
	}
}

// An object whose deletion fails halfway does not exist any more.
func TestDeleteInterrupted(t *testing.T) {
	s := open(t)
	o := put(t, s, "some text")
	// A directory that is not empty cannot be removed like a file.
	if err := os.Remove(s.path(o.ID, "")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.path(o.ID, ""), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), o.ID); err == nil {
		t.Error("Delete succeeds although the bytes are there")
	}
	if _, _, err := s.Open(t.Context(), o.ID); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Open: %v, want %v", err, media.ErrNotFound)
	}
}

// Sweep deletes the files of incomplete objects and keeps all others.
func TestSweepByFile(t *testing.T) {
	key := id.New()
	for _, c := range []struct {
		name          string
		before, after []string
		swept         int
	}{
		{"just begun", []string{".part"}, nil, 1},
		{"described", []string{".json.part", ".part"}, nil, 1},
		{"bytes renamed", []string{"", ".json.part"}, nil, 1},
		{"complete", []string{"", ".json"}, []string{"", ".json"}, 0},
		{"complete, with a part", []string{"", ".json", ".part"}, []string{"", ".json"}, 1},
		{"deleted in part", []string{""}, nil, 1},
		{"only described", []string{".json"}, nil, 1},
		{"a stranger's", []string{".txt", "0", ".json.bak"}, []string{".json.bak", ".txt", "0"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			write(t, s, key, c.before)
			n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour), nil)
			if n != c.swept || err != nil {
				t.Errorf("Sweep = %d, %v; want %d", n, err, c.swept)
			}
			if left := suffixes(t, s, key); !slices.Equal(left, c.after) {
				t.Errorf("left %q, want %q", left, c.after)
			}
		})
	}
}

// A Put that goes on while Sweep looks at its files either keeps its object or fails.
func TestSweepDuringCommit(t *testing.T) {
	for _, c := range []struct {
		name      string
		found     files    // by Sweep
		meanwhile []string // the suffixes of the files that are left when it deletes
		removed   bool
		want      []string
	}{
		{"completed before the first rename was seen", files{part: true, sidecarPart: true}, []string{"", ".json"}, false, []string{"", ".json"}},
		{"completed during stat", files{part: true, bytes: true}, []string{"", ".json"}, false, []string{"", ".json"}},
		{"completed after the first rename", files{sidecarPart: true, bytes: true}, []string{"", ".json"}, false, []string{"", ".json"}},
		{"between the renames", files{part: true, sidecarPart: true}, []string{"", ".json.part"}, false, []string{"", ".json.part"}},
		{"began to commit", files{part: true}, []string{".json.part", ".part"}, true, []string{".json.part"}},
		{"deleted", files{sidecar: true}, nil, false, nil},
		{"nothing", files{}, nil, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, key := open(t), id.New()
			write(t, s, key, c.meanwhile)
			removed, err := s.removeRemains(key, c.found)
			if removed != c.removed || err != nil {
				t.Errorf("removed %v, %v; want %v", removed, err, c.removed)
			}
			if left := suffixes(t, s, key); !slices.Equal(left, c.want) {
				t.Errorf("left %q, want %q", left, c.want)
			}
		})
	}
}

func write(t *testing.T, s *Store, key string, suffixes []string) {
	t.Helper()
	for _, suffix := range suffixes {
		if err := os.WriteFile(s.path(key, suffix), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func suffixes(t *testing.T, s *Store, key string) (all []string) {
	t.Helper()
	for _, name := range entries(t, s) {
		all = append(all, strings.TrimPrefix(name, key))
	}
	return all
}

func entries(t *testing.T, s *Store) (names []string) {
	t.Helper()
	all, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}
