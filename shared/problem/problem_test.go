package problem

import (
	"encoding/json"
	"errors"
	"fmt"
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
