package disk

import (
	"os"
	"syscall"
)

// syncFileRangeWrite is SYNC_FILE_RANGE_WRITE: start writeback without waiting.
const syncFileRangeWrite = 2

// writeback asks the kernel to start writing a range of f to disk. It is a hint:
// only Sync guarantees durability and reports errors.
func writeback(f *os.File, offset, n int64) {
	_ = syscall.SyncFileRange(int(f.Fd()), offset, n, syncFileRangeWrite)
}
