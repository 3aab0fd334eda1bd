// Package browser tests the web page of the gateway in a real Chromium, with real
// videos, against cmd/mp3converter.
package browser

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"mp3converter/shared/client"
	"mp3converter/test/samples"
	"mp3converter/test/testproc"
)

// maxUpload is the MAX_UPLOAD_BYTES of the tested service.
const maxUpload = 400_000_000

// start runs cmd/mp3converter with an empty data directory and further variables, and
// returns a client of it.
func start(t *testing.T, variables ...string) *client.Client {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "mp3converter")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/mp3converter").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	port := strconv.Itoa(testproc.FreePorts(t, 1)[0])
	log := new(logBuffer)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+port, "DATA_DIR="+filepath.Join(dir, "data"),
		"LOCAL_USER=somebody@example.com:something long", "CONVERSIONS=1", "MAX_UPLOAD_BYTES="+strconv.Itoa(maxUpload))
	cmd.Env = append(cmd.Env, variables...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the service exited: %v", err)
		}
		if t.Failed() {
			t.Logf("log of the service:\n%s", log)
		}
	})
	c := &client.Client{BaseURL: "http://127.0.0.1:" + port}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Minute, errors.New("the service did not become ready"))
	defer cancel()
	if err := c.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// logBuffer is a bytes.Buffer for concurrent use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// makeVideo creates a sample with the given file name.
func makeVideo(t *testing.T, dir, name string, s samples.Spec) string {
	t.Helper()
	s.Name = "sample" + filepath.Ext(name)
	sample, err := s.Path(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.Rename(sample, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// waitUntil waits for a condition and fails the test if it does not become true.
func waitUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
