package main

import (
	"errors"
	"os"
	"path/filepath"
)

var fsync = (*os.File).Sync // replaced by tests

// writeFile creates or replaces a file that only this user can read. If the process
// dies meanwhile, the old file, or none, is still in place. Once writeFile has returned,
// the new one survives a power failure.
func writeFile(path string, content []byte) error {
	for _, step := range writeSteps(path, content) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// writeSteps returns the steps of writeFile, so that a test can stop after each.
func writeSteps(path string, content []byte) []func() error {
	temporary := path + ".tmp" // overwritten by the next write if this one is interrupted
	return []func() error{
		func() error { return writeSynced(temporary, content) },
		func() error { return os.Rename(temporary, path) },
		func() error { return syncDir(filepath.Dir(path)) },
	}
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, fsync(f), f.Close())
}

// syncDir makes the names of the files in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(fsync(d), d.Close())
}
