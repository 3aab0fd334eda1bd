package api

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestCORSOrigins(t *testing.T) {
	for origins, valid := range map[string]bool{
		"":                    true,
		"*":                   true,
		"https://example.com": true,
		"https://example.com, https://*.example.org": true,
		"http://localhost:*":                         true,
		"example.com":                                false,
		"https://example.com/":                       false,
		"https://*.com":                              false,
		"null":                                       false,
		"https://a.example,nonsense":                 false,
	} {
		err := CORS{strings.Split(origins, ",")}.Validate()
		if valid != (err == nil) {
			t.Errorf("CORS_ORIGINS=%q: %v", origins, err)
		}
		if err != nil && !strings.Contains(err.Error(), "CORS_ORIGINS") {
			t.Errorf("CORS_ORIGINS=%q: the error %q does not name the variable", origins, err)
		}
	}
}

// preflight asks whether a page may send a request.
func (s *testGateway) preflight(t testing.TB, origin, method, path, headers string) http.Header {
	t.Helper()
	res, _ := s.do(t, "OPTIONS", path, nil, "Authorization", "", "Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", headers)
	return res.Header
}

func TestCORSIsOffByDefault(t *testing.T) {
	s := startGateway(t, nil)
	h := s.preflight(t, "https://example.com", "GET", "/jobs", "authorization")
	res, _ := s.do(t, "GET", "/jobs", nil, "Origin", "https://example.com")
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("the answer to a preflight request has %s", name)
		}
	}
	for name := range res.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("a response has %s", name)
		}
	}
}

func TestCORS(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.CORS.Origins = []string{"https://example.com"} })
	for _, c := range []struct {
		origin, method, path, headers string
		permitted                     bool
	}{
		{"https://example.com", "GET", "/jobs", "authorization", true},
		{"https://example.com", "POST", "/upload", "authorization,content-digest,content-type,idempotency-key", true},
		{"https://example.com", "DELETE", "/jobs/6650a1f2c4b8e90d1f3a7b21", "authorization", true},
		{"https://example.com", "PUT", "/webhook", "authorization,content-type", true},
		{"https://example.com", "PATCH", "/uploads/6650a1f2c4b8e90d1f3a7b21", "authorization,content-type,tus-resumable,upload-checksum,upload-offset", true},
		{"https://example.com", "POST", "/uploads", "authorization,tus-resumable,upload-length,upload-metadata", true},
		{"https://example.com", "GET", "/jobs/6650a1f2c4b8e90d1f3a7b21/audio", "authorization,if-none-match,range", true},
		{"https://example.com", "GET", "/jobs", "x-unknown", false},
		{"https://example.net", "GET", "/jobs", "authorization", false},
	} {
		h := s.preflight(t, c.origin, c.method, c.path, c.headers)
		// Methods that need no permission are not listed.
		simple := c.method == "GET" || c.method == "POST"
		got := h.Get("Access-Control-Allow-Origin") == c.origin &&
			(simple || h.Get("Access-Control-Allow-Methods") == c.method) && h.Get("Access-Control-Allow-Headers") != ""
		if got != c.permitted {
			t.Errorf("%+v: %v", c, h)
		}
	}

	// Errors are readable too. Credentials of the browser are not sent.
	for _, token := range []string{"Bearer " + s.token, "Bearer x"} {
		res, _ := s.do(t, "GET", "/jobs", nil, "Origin", "https://example.com", "Authorization", token)
		if res.Header.Get("Access-Control-Allow-Origin") != "https://example.com" || res.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
		exposed := strings.Split(strings.ToLower(res.Header.Get("Access-Control-Expose-Headers")), ",")
		for _, name := range []string{"location", "link", "etag", "retry-after", "x-request-id", "content-disposition", "upload-offset", "upload-expires", "tus-resumable", "idempotency-replayed"} {
			if !slices.Contains(exposed, name) {
				t.Errorf("%s is not exposed", name)
			}
		}
	}
	if res, _ := s.do(t, "GET", "/jobs", nil, "Origin", "https://example.net"); res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin may read the jobs")
	}
}

// A cache must not send the response for one origin to another.
func TestResponsesVaryByOrigin(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.CORS.Origins = []string{"https://example.com", "https://example.org"} })
	for _, path := range []string{"/jobs", "/problems/no_token", "/openapi.yaml", "/jobs/6650a1f2c4b8e90d1f3a7b21"} {
		res, _ := s.do(t, "GET", path, nil, "Origin", "https://example.com")
		if !slices.Contains(res.Header.Values("Vary"), "Origin") {
			t.Errorf("%s: Vary %q", path, res.Header.Values("Vary"))
		}
	}
}

// An OPTIONS request that is not a preflight request belongs to the route.
func TestOptionsRequestsReachTheHandler(t *testing.T) {
	c := CORS{Origins: []string{"*"}}
	reached := false
	h := c.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	for _, origin := range []string{"", "https://example.com"} {
		reached = false
		r, _ := http.NewRequest("OPTIONS", "/uploads", nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if !reached {
			t.Errorf("with Origin %q the handler was not called", origin)
		}
	}
}
