package problem

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds {
		if seen[k.Code] {
			t.Errorf("code %q is used twice", k.Code)
		}
		seen[k.Code] = true
		if !strings.HasSuffix(k.Title, ".") {
			t.Errorf("%s: %q is not a sentence", k.Code, k.Title)
		}
	}
}

func TestWrite(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7:27017: refused")
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
		header map[string]string
	}{
		"a kind":           {TooLarge, 413, "too_large", nil},
		"a wrapped kind":   {fmt.Errorf("upload: %w", NoFile), 400, "no_file", nil},
		"with a cause":     {Unavailable.WithCause(secret), 503, "unavailable", nil},
		"with Retry-After": {Busy.WithRetryAfter(1500 * time.Millisecond), 503, "busy", map[string]string{"Retry-After": "2"}},
		"any other error":  {secret, 500, "internal", nil},
		"without a token":  {NoToken, 401, "no_token", map[string]string{"WWW-Authenticate": `Bearer realm="mp3converter"`}},
		"not cached":       {JobNotFound, 404, "job_not_found", map[string]string{"Cache-Control": "no-store"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set(RequestIDHeader, "r1")
			Write(w, httptest.NewRequest("GET", "/", nil), c.err)
			var doc document
			if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || doc.Status != c.status || doc.Code != c.code || doc.RequestID != "r1" {
				t.Errorf("got %d %+v, want %d %s", w.Code, doc, c.status, c.code)
			}
			if strings.Contains(w.Body.String(), "10.0.0.7") {
				t.Error("the cause reached the client")
			}
			for k, v := range c.header {
				if got := w.Header().Get(k); got != v {
					t.Errorf("%s: %q, want %q", k, got, v)
				}
			}
		})
	}
}

// A response after which the same request may succeed says when. All others have no
// Retry-After, because the request has to change.
func TestRetryAfter(t *testing.T) {
	header := func(err error) string {
		w := httptest.NewRecorder()
		Write(w, httptest.NewRequest("GET", "/", nil), err)
		return w.Header().Get("Retry-After")
	}
	for _, k := range Kinds {
		want := k == NotReady || k == IdempotencyKeyInUse
		switch k.Status {
		case http.StatusLocked, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
			want = true
		}
		if got := header(k); (got != "") != want {
			t.Errorf("%s (%d): Retry-After %q", k.Code, k.Status, got)
		}
		if got := header(k.WithCause(errors.New("x"))); (got != "") != want {
			t.Errorf("%s with a cause: Retry-After %q", k.Code, got)
		}
	}
	e := TooManyJobs.WithDetail("The quota is %d.", 1).WithRetryAfter(7 * time.Second)
	if got := header(e); got != "7" || e.Detail != "The quota is 1." {
		t.Errorf("Retry-After %q, detail %q", got, e.Detail)
	}
}

// The type of a problem is the address of its explanation, whichever function responds.
func TestType(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("GET", "/jobs/1/audio", nil), NotReady)
	var doc document
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc.Type != "/problems/not_ready" {
		t.Errorf("type %q, %v", doc.Type, err)
	}
}

// A client that has left is no error of the service, wherever its context ended.
func TestCancelledRequest(t *testing.T) {
	for name, err := range map[string]error{
		"as it is":   context.Canceled,
		"wrapped":    fmt.Errorf("read job: %w", context.Canceled),
		"as a cause": Unavailable.WithCause(fmt.Errorf("read job: %w", context.Canceled)),
	} {
		for _, left := range []bool{true, false} {
			log := captureLog(t)
			ctx, cancel := context.WithCancel(t.Context())
			if left {
				cancel()
			}
			w := httptest.NewRecorder()
			Write(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx), err)
			if left && w.Code != clientClosedRequest.Status {
				t.Errorf("%s: status %d, want %d", name, w.Code, clientClosedRequest.Status)
			}
			if left && log.Len() > 0 {
				t.Errorf("%s: a client that has left is logged as %s", name, log)
			}
			if !left && (w.Code < 500 || log.Len() == 0) {
				t.Errorf("%s: status %d although the client is there, log %q", name, w.Code, log)
			}
			cancel()
		}
	}
}

// An error response has no headers of the response that was intended.
func TestWriteRemovesHeaders(t *testing.T) {
	w := httptest.NewRecorder()
	stale := map[string]string{
		"Content-Length": "1000000", "Content-Disposition": "attachment", "ETag": `"x"`, "Last-Modified": "Mon, 02 Jan 2006 15:04:05 GMT",
		"Content-Type": "audio/mpeg", "Cache-Control": "private",
	}
	for name, value := range stale {
		w.Header().Set(name, value)
	}
	Write(w, httptest.NewRequest("GET", "/", nil), Unavailable)
	for name, value := range stale {
		if got := w.Header().Get(name); got == value {
			t.Errorf("the error response has %s: %s", name, got)
		}
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestIsKind(t *testing.T) {
	for _, err := range []error{JobNotFound, JobNotFound.WithDetail("x"), JobNotFound.WithCause(errors.New("x")), fmt.Errorf("x: %w", JobNotFound.WithRetryAfter(1))} {
		if !errors.Is(err, JobNotFound) || errors.Is(err, NotFound) {
			t.Errorf("%v is not known as %v", err, JobNotFound)
		}
	}
	if cause := errors.New("x"); !errors.Is(JobNotFound.WithCause(cause), cause) {
		t.Error("the cause is not known")
	}
}

func TestChallengeIsKept(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
	Write(w, httptest.NewRequest("GET", "/", nil), BadCredentials)
	if got := w.Header().Get("WWW-Authenticate"); got != `Basic realm="x"` {
		t.Errorf("WWW-Authenticate %q, want the handler's", got)
	}
}

// Causes of errors of the service are logged as errors; those of a client's are not.
func TestCauseIsLogged(t *testing.T) {
	for _, c := range []struct {
		err   error
		level string
	}{
		{Unavailable.WithCause(errors.New("the cause")), "ERROR"},
		{errors.New("the cause"), "ERROR"},
		{BadToken.WithCause(errors.New("the cause")), "INFO"},
	} {
		log := captureLog(t)
		Write(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), c.err)
		if !strings.Contains(log.String(), "level="+c.level) || !strings.Contains(log.String(), "the cause") {
			t.Errorf("%v: log %q, want level %s with the cause", c.err, log, c.level)
		}
	}
}

// captureLog returns the log of the test from now on.
func captureLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	log, before := new(bytes.Buffer), slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return log
}

func TestMux(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jobs", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "jobs") })
	h := Mux(mux)
	for _, c := range []struct {
		method, path string
		status       int
		contains     string
	}{
		{"GET", "/jobs", 200, "jobs"},
		{"PUT", "/jobs", 405, "method_not_allowed"},
		{"GET", "/nothing", 404, "not_found"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.contains) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if c.status == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("Allow: %q", w.Header().Get("Allow"))
		}
	}
}
