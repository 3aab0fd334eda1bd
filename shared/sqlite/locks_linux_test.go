package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Opening a file again does not release this process's lock on it, without which another
// process may delete the log that is in use. The kernel releases all locks of a process
// on a file when the process closes any descriptor of it.
func TestOpenAgainKeepsLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	exec(t, open(t, path), "CREATE TABLE t (n INTEGER)")
	if !locked(t, path) {
		t.Skip("/proc/locks does not show the lock")
	}
	open(t, path)
	if !locked(t, path) {
		t.Error("the lock is released when the file is opened again")
	}
}

// locked reports whether this process holds a lock on the file.
func locked(t *testing.T, path string) bool {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Skip(err)
	}
	process, inode := fmt.Sprint(os.Getpid()), fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino)
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line)
		if len(f) > 5 && f[4] == process && strings.HasSuffix(f[5], inode) {
			return true
		}
	}
	return false
}
