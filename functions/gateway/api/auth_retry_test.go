package api

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"mp3converter/shared/forwarded"
	"mp3converter/shared/problem"
)

// While a revision of auth is replaced, the ingress in front of it may answer 502 or 503
// itself.
func TestAuthBehindFailingIngress(t *testing.T) {
	for _, c := range []struct {
		name, path string
		failures   int64 // how many responses of the ingress precede that of auth
		status     int
		requests   int64
	}{
		{"login repeated", "/login", 2, 200, 3},
		{"login fails at last", "/login", 99, 503, 3},
		// It may have reached auth.
		{"registration not repeated", "/register", 1, 503, 1},
	} {
		for _, failure := range []int{502, 503, 504} {
			t.Run(fmt.Sprint(c.name, failure), func(t *testing.T) {
				var requests atomic.Int64
				ingress := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					if requests.Add(1) <= c.failures {
						http.Error(w, http.StatusText(failure), failure)
						return
					}
					_, _ = w.Write(body)
				}))
				defer ingress.Close()
				proxy, err := AuthProxy(ingress.URL, testKeys(t, 'x'), forwarded.Config{})
				if err != nil {
					t.Fatal(err)
				}
				w := httptest.NewRecorder()
				proxy.ServeHTTP(w, httptest.NewRequest("POST", c.path, strings.NewReader("the body")))
				if w.Code != c.status || requests.Load() != c.requests {
					t.Errorf("status %d after %d requests, want %d after %d", w.Code, requests.Load(), c.status, c.requests)
				}
				if want := `"code":"unavailable"`; w.Code != 200 && !strings.Contains(w.Body.String(), want) {
					t.Errorf("the error is %q, want one with %s", w.Body, want)
				}
				if w.Code == 200 && w.Body.String() != "the body" {
					t.Errorf("auth received %q", w.Body)
				}
			})
		}
	}
}

// An error of auth itself is final.
func TestAuthErrorIsNotRepeated(t *testing.T) {
	var requests atomic.Int64
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		problem.Write(w, r, problem.Busy)
	}))
	defer auth.Close()
	proxy, err := AuthProxy(auth.URL, testKeys(t, 'x'), forwarded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	proxy.ServeHTTP(w, httptest.NewRequest("POST", "/login", nil))
	if w.Code != 503 || requests.Load() != 1 || !strings.Contains(w.Body.String(), `"code":"busy"`) {
		t.Errorf("status %d after %d requests: %s", w.Code, requests.Load(), w.Body)
	}
}
