package sqlite

import (
	"path/filepath"
	"testing"

	"mp3converter/shared/webhooks"
	"mp3converter/shared/webhooks/webhookstest"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	webhookstest.Run(t, func(t *testing.T) webhooks.Store { return open(t, filepath.Join(t.TempDir(), "webhooks.db")) })
}

func TestTwoStoresOfOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "webhooks.db")
	webhookstest.RunConcurrent(t, open(t, path), open(t, path))
}

func TestOpenDirectory(t *testing.T) {
	if s, err := Open(t.TempDir()); err == nil {
		s.Close()
		t.Error("Open of a directory succeeds")
	}
}
