// Package page tests the gateway's web page as a person meets it: Debian's
// Chromium against the whole service in one process, with real videos.
package browser

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"mp3converter/test/samples"
	"mp3converter/test/testproc"
)

// maxUpload is what the tested service takes.
const maxUpload = 400_000_000

// service is the program of cmd/mp3converter on a port and with data of its own.
type service struct {
	url string
}

func start(t *testing.T) service {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "mp3converter")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/mp3converter").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	port := strconv.Itoa(testproc.FreePorts(t, 1)[0])
	log := new(journal)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+port, "DATA_DIR="+filepath.Join(dir, "data"),
		"LOCAL_USER=somebody@example.com:something long", "CONVERSIONS=1", "MAX_UPLOAD_BYTES="+strconv.Itoa(maxUpload))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the service ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the service's log:\n%s", log)
		}
	})
	s := service{url: "http://127.0.0.1:" + port}
	until(t, "the service is ready", func() bool {
		res, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return s
}

// get returns what the service answers to a request with that Authorization.
func (s service) get(t *testing.T, method, path, user, password, bearer string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	} else {
		req.SetBasicAuth(user, password)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %v %.200s", method, path, res.StatusCode, err, b)
	}
	return b
}

// journal is a log that is written and read at the same time.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// video makes a sample of that name in dir.
func video(t *testing.T, dir, name string, s samples.Spec) string {
	t.Helper()
	s.Name = "made" + filepath.Ext(name)
	made, err := s.Path(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.Rename(made, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// until waits for a condition that must come true.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
