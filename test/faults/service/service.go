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
	// removeOrphans lets the janitor remove files that are older than orphanAge.
	removeOrphans func(context.Context) error
}

// orphanAge is the smallest permitted value of ORPHAN_AGE.
const orphanAge = time.Minute

// Programs are the directories of built programs.
type Programs struct {
	dir string
}

// Build builds the programs of the service, and those that crash.
func Build(t testing.TB) Programs {
	t.Helper()
	p := Programs{t.TempDir()}
	for _, args := range [][]string{
		{"build", "-o", p.dir, "mp3converter/cmd/mp3converter", "mp3converter/functions/auth", "mp3converter/functions/gateway", "mp3converter/functions/converter",
			"mp3converter/functions/notification", "mp3converter/functions/janitor", "mp3converter/test/faults/function"},
		{"test", "-c", "-o", filepath.Join(p.dir, "mp3converter-crashing"), "mp3converter/cmd/mp3converter"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	return p
}

func (p Programs) path(name string) string { return filepath.Join(p.dir, name) }

// newService returns a service without processes, and their environment.
func newService(t testing.TB) (s *Service, env []string) {
	t.Helper()
	s = &Service{Processes: map[string]*Process{}, Control: crash.Control{Dir: t.TempDir()}, hook: &webhook{calls: map[string][]time.Time{}}}
	server := httptest.NewServer(s.hook)
	t.Cleanup(server.Close)
	key := make([]byte, 32)
	rand.Read(key)
	return s, []string{
		"HOST=127.0.0.1", "LOG_FORMAT=text",
		"TOKEN_KEYS=k1:" + base64.StdEncoding.EncodeToString(key),
		"WEBHOOK_URL=" + server.URL,
		crash.Variable + "=" + s.Control.Dir,
		// Short, so that a fault is over soon.
		"LEASE=5s", "WAKE_AFTER=2s", "WAKE_MAX=4s", "RETRY_MAX=4s", "ORPHAN_AGE=" + orphanAge.String(),
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
