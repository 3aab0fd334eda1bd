package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mp3converter/shared/logs"
)

// start serves h on a free port until the test ends. It returns the URL, a function
// that stops the server, and the result of RunListener.
func start(t *testing.T, h http.Handler, ready func(context.Context) error, grace time.Duration) (string, context.CancelFunc, <-chan error) {
	t.Helper()
	cfg := Config{Host: "127.0.0.1", Port: "0", Grace: grace, LogFormat: "json"}
	l, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- RunListener(ctx, cfg, l, h, ready) }()
	t.Cleanup(cancel)
	return "http://" + l.Addr().String(), cancel, done
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	err = Run(context.Background(), Config{Host: "127.0.0.1", Port: port, LogFormat: "json"}, http.NotFoundHandler(), nil)
	if err == nil || !strings.Contains(err.Error(), "already in use") {
		t.Fatalf("got %v, want an error that names the port", err)
	}
}

func TestRequestInProgressFinishes(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	url, stop, done := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-finish
		if r.Context().Err() != nil {
			t.Error("the request's context was cancelled")
		}
		io.WriteString(w, "whole")
	}), nil, time.Minute)

	answer := make(chan string, 1)
	go func() { _, body := get(t, url); answer <- body }()
	<-entered
	stop()
	close(finish)
	if got := <-answer; got != "whole" {
		t.Errorf("response %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("RunListener: %v", err)
	}
}

func TestGraceTimeout(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{})
	url, stop, done := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(ended)
	}), nil, 10*time.Millisecond)
	go http.Get(url)
	<-entered
	stop()
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("RunListener: %v, want the deadline", err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the connection is still open after the grace time")
	}
}

func TestHealth(t *testing.T) {
	var down error
	var mu sync.Mutex
	url, _, _ := start(t, http.NotFoundHandler(), func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		return down
	}, 0)
	if status, _ := get(t, url+"/readyz"); status != 200 {
		t.Errorf("/readyz: %d", status)
	}
	mu.Lock()
	down = errors.New("no database at 10.0.0.7")
	mu.Unlock()
	if status, body := get(t, url+"/readyz"); status != 503 || strings.Contains(body, "10.0.0.7") {
		t.Errorf("/readyz without a database: %d %q", status, body)
	}
	if status, _ := get(t, url+"/healthz"); status != 200 {
		t.Errorf("/healthz without a database: %d", status)
	}
}

// The metrics have the routes, not the paths, of which there is no end.
func TestMetricsHaveNoPaths(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /films/{name}", func(w http.ResponseWriter, r *http.Request) {})
	url, _, _ := start(t, mux, nil, 0)
	for _, path := range []string{"/films/holiday.mp4", "/holiday.mp4"} {
		get(t, url+path)
	}
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "route" {
					routes = append(routes, l.GetValue())
				}
			}
		}
	}
	if !slices.Contains(routes, "GET /films/{name}") || strings.Contains(strings.Join(routes, " "), "holiday") {
		t.Errorf("routes %q", routes)
	}
}

func TestPanic(t *testing.T) {
	var out syncBuffer
	old := slog.Default()
	slog.SetDefault(logs.New(&out, "json", ""))
	defer slog.SetDefault(old)

	url, _, _ := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic("secret state")
	}), nil, 0)
	status, body := get(t, url+"/?name=holiday.mp4")
	if status != 500 || !strings.Contains(body, `"code":"internal"`) || strings.Contains(body, "secret") {
		t.Errorf("%d %s", status, body)
	}
	if log := out.String(); !strings.Contains(log, "secret state") || strings.Contains(log, "holiday") {
		t.Errorf("log: %s", log)
	}
}

func TestPanicDuringResponse(t *testing.T) {
	url, _, _ := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
		panic("too late")
	}), nil, 0)
	resp, err := http.Get(url)
	if err != nil {
		return // cut before the header was out: as good
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("no error for a truncated response")
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
