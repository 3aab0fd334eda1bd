package sqlite

import (
	"os"
	"syscall"
)

const (
	reservedData = 1 << 20 // bytes
	// reservedLog is the size of the write-ahead log, in bytes. After 1000 pages
	// SQLite moves them to the database file and overwrites the log from its start.
	reservedLog = 5 << 20
)

// reserveData assigns disk space to a new database file without changing its length.
func reserveData(f *os.File) { allocate(f, reservedData) }

// reserveLog assigns disk space to the log of the database at path.
func reserveLog(path string) {
	f, err := os.OpenFile(path+"-wal", os.O_RDWR, 0) // no process locks the log itself
	if err != nil {
		return
	}
	defer f.Close()
	allocate(f, reservedLog)
}

// allocate does nothing if there is no room or the file system does not support it.
func allocate(f *os.File, size int64) {
	const keepSize = 1 // FALLOC_FL_KEEP_SIZE
	_ = syscall.Fallocate(int(f.Fd()), keepSize, 0, size)
}
