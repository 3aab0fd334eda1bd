package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/forwarded"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// connectionRecorder is a response recorder that accepts deadlines.
type connectionRecorder struct{ *httptest.ResponseRecorder }

func (connectionRecorder) SetReadDeadline(time.Time) error { return nil }
func (connectionRecorder) EnableFullDuplex() error         { return nil }

// readRecorder is a body that records whether it was read.
type readRecorder struct{ read bool }

func (r *readRecorder) Read(p []byte) (int, error) {
	r.read = true
	return 0, io.EOF
}

// A client that asked whether to send its body and was refused does not send it.
func TestUnwantedBodyIsNotAwaited(t *testing.T) {
	for expect, want := range map[string]bool{"100-continue": false, "": true} {
		body := &readRecorder{}
		r := httptest.NewRequest("POST", "/upload", body)
		r.Header.Set("Expect", expect)
		lingeringClose(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.NoToken) }), time.Minute, forwarded.Config{}).
			ServeHTTP(connectionRecorder{httptest.NewRecorder()}, r)
		if body.read != want {
			t.Errorf("with Expect %q the body was read: %v, want %v", expect, body.read, want)
		}
	}
}

// Downloads are not held in memory, even if the request has a body.
func TestDownloadIsNotBuffered(t *testing.T) {
	for _, method := range []string{"GET", "HEAD"} {
		w := httptest.NewRecorder()
		lingeringClose(http.HandlerFunc(func(inner http.ResponseWriter, _ *http.Request) {
			io.WriteString(inner, "part")
			if got := w.Body.String(); got != "part" {
				t.Errorf("%s: %q was sent when the handler had written a part", method, got)
			}
		}), time.Minute, forwarded.Config{}).ServeHTTP(w, httptest.NewRequest(method, "/download", struct{ io.Reader }{strings.NewReader("a body")}))
	}
}

// A request that is too long by its own account is refused before its body is read.
func TestTooLargeIsRefusedBeforeTheBody(t *testing.T) {
	s := startGateway(t, nil)
	checkProblemOn(t, s.dial(t, s.authorizationHeader(), "Content-Length: 1000000000"), problem.TooLarge)
}

// unreachableJobs is a job store that cannot be reached.
type unreachableJobs struct{ jobs.Store }

func (unreachableJobs) Ping(context.Context) error { return errBroken }

func TestReadyDependsOnJobs(t *testing.T) {
	s := newTestGateway(t, nil)
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	s.Jobs = unreachableJobs{s.Jobs}
	if s.Ready(t.Context()) == nil {
		t.Error("ready although the job store cannot be reached")
	}
}

// The response of the auth function has the request ID of the gateway, and only that.
func TestAuthResponseHasOneRequestID(t *testing.T) {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(problem.RequestIDHeader, "of auth")
	}))
	defer auth.Close()
	s := startGateway(t, func(g *setup) {
		var err error
		if g.Auth, err = AuthProxy(auth.URL, g.Keys, forwarded.Config{}); err != nil {
			t.Fatal(err)
		}
	})
	res, _ := s.do(t, "POST", "/login", nil)
	if ids := res.Header.Values(problem.RequestIDHeader); len(ids) != 1 || ids[0] == "of auth" {
		t.Errorf("request IDs %q, want the gateway's", ids)
	}
}

func TestAuthDoesNotAnswer(t *testing.T) {
	hang := make(chan struct{})
	auth := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer auth.Close()
	defer close(hang)
	s := startGateway(t, func(g *setup) {
		var err error
		if g.Auth, err = newAuthProxy(auth.URL, g.Keys, forwarded.Config{}, 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	})
	s.client.Timeout = 20 * time.Second
	res, b := s.do(t, "POST", "/login", nil)
	checkProblem(t, res, b, problem.Unavailable)
}
