package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
	"mp3converter/test/fulldisk"
)

const mib = 1 << 20

// A Put for which there is no room fails and leaves nothing. Deleting works on a full
// disk, and makes room for the next Put.
func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		name string
		free int64 // bytes
		size int   // of the object
	}{
		{"no room", 0, mib},
		{"room for a part of the bytes", mib, 3 * mib},
		{"room for the bytes, but not for the sidecar", fulldisk.PageSize, 1},
		{"an empty object", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(filepath.Join(fulldisk.Mount(t, 4*mib), "media"))
			if err != nil {
				t.Fatal(err)
			}
			stored := put(t, s, strings.Repeat("x", mib))
			filler := fulldisk.Fill(t, filepath.Dir(s.dir))
			fulldisk.Free(t, filler, c.free)
			before := entries(t, s)

			data := mediatest.Bytes(c.size)
			_, err = s.Put(t.Context(), media.Object{ID: id.New()}, bytes.NewReader(data))
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("Put: %v, want %v", err, syscall.ENOSPC)
			}
			if left := entries(t, s); !slices.Equal(left, before) {
				t.Errorf("after a failed Put the directory holds %q, want %q", left, before)
			}
			if n, err := s.Free(t.Context()); n != c.free || err != nil {
				t.Errorf("Free = %d, %v; want %d", n, err, c.free)
			}

			// Reading and deleting need no room.
			future := time.Now().Add(time.Hour)
			if all, err := s.List(t.Context(), future, "", 10); len(all) != 1 || err != nil {
				t.Errorf("List on a full disk = %v, %v; want one object", all, err)
			}
			if _, err := s.Sweep(t.Context(), future, nil); err != nil {
				t.Errorf("Sweep on a full disk: %v", err)
			}
			if err := s.Delete(t.Context(), stored.ID); err != nil {
				t.Fatalf("Delete on a full disk: %v", err)
			}
			if n, err := s.Free(t.Context()); n < c.free+mib || err != nil {
				t.Errorf("after Delete Free = %d, %v; want at least %d", n, err, c.free+mib)
			}
			put(t, s, strings.Repeat("y", mib/2))
		})
	}
}

// The store needs no temporary files elsewhere.
func TestFullTempDir(t *testing.T) {
	full := fulldisk.Mount(t, mib)
	fulldisk.Fill(t, full)
	s := open(t)
	t.Setenv("TMPDIR", full)
	o := put(t, s, strings.Repeat("x", mib))
	_, r, err := s.Open(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); n != mib || err != nil {
		t.Errorf("read %d bytes, %v; want %d", n, err, mib)
	}
}

// Sweep deletes the part of an upload that was killed on a full disk.
func TestSweepOnFullDisk(t *testing.T) {
	dir := fulldisk.Mount(t, mib)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fulldisk.Fill(t, dir), s.path(id.New(), part)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour), nil); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v; want 1", n, err)
	}
	put(t, s, strings.Repeat("x", mib/2))
}
