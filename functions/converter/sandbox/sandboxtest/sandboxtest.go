// Package sandboxtest builds a program for tests that tries what a program in
// a sandbox must not do. It is a program without C, so that it starts under a
// small limit on memory also when the test itself runs with the race detector.
package sandboxtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program builds the program and returns its path. Its first argument, or its
// file name when that is changed, is what it does: see probe/main.go.
func Program(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", path, "mp3converter/functions/converter/sandbox/sandboxtest/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if message, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v: %s", err, message)
	}
	return path
}
