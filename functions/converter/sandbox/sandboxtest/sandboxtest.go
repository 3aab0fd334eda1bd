// Package sandboxtest builds the probe, a program that attempts what a sandboxed program
// must not do. It is built without cgo and race detector, so that it runs under a small
// memory limit.
package sandboxtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program builds the probe with the given file name and returns its path. If the name
// is "probe", the first argument is the action, otherwise the name is: see
// probe/main.go.
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
