package service

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/test/faults/crash"
)

// Service is a running service. Its stores are those of the processes, opened by the
// test as well.
type Service struct {
	URL       string
	Processes map[string]*Process
	Control   crash.Control // of services that were started with Crashing

	Jobs          jobs.Store
	Videos, Audio media.Store
	TempDir       string // of the conversions

	hook   *webhook
	queued func() (int, error) // messages that wait
	// backdate changes when a stored object was completed.
	backdate func(context.Context, media.Store, media.Object) error
	// removeOrphans lets the janitor remove files that are older than orphanAge.
	removeOrphans func(context.Context) error
}

// orphanAge is the smallest permitted value of ORPHAN_AGE.
const orphanAge = time.Minute

// Programs are built programs.
type Programs struct{ dir string }

// Build returns a directory for programs, which are built when they are started.
func Build(t testing.TB) Programs {
	t.Helper()
	return Programs{t.TempDir()}
}

// crashing is the name of the program of a laptop that crashes. It is the binary of the
// tests of the real one.
const crashing = "mp3converter-crashing"

// build builds packages, given by their paths in the module.
func (p Programs) build(t testing.TB, packages ...string) {
	t.Helper()
	args := []string{"build", "-o", p.dir + "/"}
	if packages[0] == crashing {
		args, packages = []string{"test", "-c", "-o", p.path(crashing)}, []string{"cmd/mp3converter"}
	}
	for _, path := range packages {
		args = append(args, "mp3converter/"+path)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
}

func (p Programs) path(name string) string { return filepath.Join(p.dir, name) }

// newService returns a service without processes, and their environment.
func newService(t testing.TB) (s *Service, env []string) {
	t.Helper()
	s = &Service{Processes: map[string]*Process{}, Control: crash.Control{Dir: t.TempDir()}, hook: &webhook{calls: map[string][]time.Time{}}}
	server := httptest.NewServer(s.hook)
	t.Cleanup(server.Close)
	key := make([]byte, 32)
	linkKey := make([]byte, 32)
	rand.Read(key)
	rand.Read(linkKey)
	return s, []string{
		"HOST=127.0.0.1", "LOG_FORMAT=text",
		"TOKEN_KEYS=k1:" + base64.StdEncoding.EncodeToString(key),
		"LINK_KEYS=l1:" + base64.StdEncoding.EncodeToString(linkKey),
		"WEBHOOK_URL=" + server.URL,
		crash.Variable + "=" + s.Control.Dir,
		// Short, so that a fault is over soon.
		"WAKE_AFTER=2s", "WAKE_MAX=4s", "RETRY_MAX=4s", "ORPHAN_AGE=" + orphanAge.String(), "UPLOAD_TTL=" + orphanAge.String(),
		"LEASE=15s", // on a busy machine a heartbeat may take seconds
		// The tests log in more often than a user.
		"LOGIN_CLIENT_BURST=1000", "LOGIN_ACCOUNT_BURST=1000",
	}
}

// WaitReady waits until all processes serve.
func (s *Service) WaitReady(t testing.TB) {
	t.Helper()
	for _, p := range s.Processes {
		if err := p.waitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// httpClient opens a connection for every request: one to a killed process is of no use.
var httpClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// webhook records the notifications of each job.
type webhook struct {
	mu    sync.Mutex
	calls map[string][]time.Time
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, err := cloudevents.NewEventFromHTTPRequest(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls[e.Subject()] = append(h.calls[e.Subject()], time.Now())
}

func (h *webhook) of(job string) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[job]
}

// tempFiles returns the entries of the directory for temporary files.
func (s *Service) tempFiles() ([]string, error) {
	entries, err := os.ReadDir(s.TempDir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
