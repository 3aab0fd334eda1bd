//go:build !linux

package fulldisk

import "testing"

// Mount skips the test: only Linux has a tmpfs of a given size.
func Mount(t testing.TB, size int64) string {
	t.Skipf("this test needs a tmpfs of %d bytes", size)
	return ""
}
