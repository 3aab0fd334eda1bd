// Package fulldisk gives tests a small file system that they can fill.
package fulldisk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// PageSize is the unit in which the file system assigns space, in bytes.
const PageSize = 4096

// Fill writes a file until no space is left in dir, and returns its path. A test frees
// space by truncating or removing it.
func Fill(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, PageSize)
	for range 1 << 20 {
		if _, err = f.Write(page); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the file system ends with %v, want %v", err, syscall.ENOSPC)
	}
	return path
}

// Free frees a number of bytes, whole pages, of the file that Fill has made.
func Free(t testing.TB, filler string, bytes int64) {
	t.Helper()
	info, err := os.Stat(filler)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filler, info.Size()-bytes); err != nil {
		t.Fatal(err)
	}
}
