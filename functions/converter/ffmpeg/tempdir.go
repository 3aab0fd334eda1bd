package ffmpeg

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// tempPrefix begins the names of the directories of conversions in TEMP_DIR.
const tempPrefix = "mp3converter-conversion-"

// tempDir is the directory of one conversion. It is locked while this process lives, so
// that other processes with the same TEMP_DIR do not take it for abandoned.
type tempDir struct {
	path string
	lock *os.File
}

// newTempDir creates a directory in parent. Another process may remove it before it is
// locked; then newTempDir tries again.
func newTempDir(parent string) (*tempDir, error) {
	for range 100 {
		path, err := os.MkdirTemp(parent, tempPrefix)
		if err != nil {
			return nil, err
		}
		lock, err := lockDir(path)
		switch {
		case lock == nil && !errors.Is(err, fs.ErrNotExist):
			os.Remove(path)
			return nil, err
		case lock != nil && isAt(lock, path) && !errors.Is(err, syscall.EWOULDBLOCK):
			// On a file system without locks no process can take it for abandoned.
			return &tempDir{path, lock}, nil
		case lock != nil:
			lock.Close()
		}
	}
	return nil, errors.New("other processes keep removing it")
}

// remove removes the directory and what it contains.
func (d *tempDir) remove() {
	os.RemoveAll(d.path)
	d.lock.Close()
}

// removeAbandoned removes the directories of processes that were killed.
func removeAbandoned(parent string) error {
	paths, err := filepath.Glob(filepath.Join(parent, tempPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		lock, lockErr := lockDir(path)
		if lockErr == nil {
			slog.Info("removing the files of a process that was killed", "directory", path)
			err = errors.Join(err, os.RemoveAll(path))
		}
		if lock != nil {
			lock.Close()
		}
	}
	return err
}

// lockDir opens a directory and locks it until it is closed. If only the lock fails, it
// returns the open directory too.
func lockDir(path string) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return dir, syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// isAt reports whether an open directory still has that path.
func isAt(dir *os.File, path string) bool {
	open, err := dir.Stat()
	if err != nil {
		return false
	}
	at, err := os.Stat(path)
	return err == nil && os.SameFile(open, at)
}
