package ffmpeg

import (
	"testing"

	"golang.org/x/sys/unix"
)

// The converter's environment and memory, with the credentials of the stores, are closed to
// other processes of the same user.
func TestProcessIsProtected(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	newConverter(t)
	if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || n != 0 {
		t.Errorf("dumpable is %d, %v, want 0", n, err)
	}
}
