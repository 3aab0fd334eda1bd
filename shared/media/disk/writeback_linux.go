package disk

import (
	"os"
	"syscall"
)

// SYNC_FILE_RANGE_WRITE: begin to write the range, and don't wait for it.
const begin = 2

// writeback asks the system to begin writing a range of f to the disk. It is a
// hint: only Sync makes sure, and says what went wrong.
func writeback(f *os.File, offset, n int64) {
	_ = syscall.SyncFileRange(int(f.Fd()), offset, n, begin)
}
