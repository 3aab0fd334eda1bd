package client_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tus/tusd/v2/pkg/filestore"
	"github.com/tus/tusd/v2/pkg/handler"
	expslog "golang.org/x/exp/slog"

	"mp3converter/shared/client"
)

// tusServer is tusd's own server, behind a function that can disturb a request.
type tusServer struct {
	*httptest.Server
	dir     string
	handler http.Handler
	disturb func(w http.ResponseWriter, r *http.Request, next http.Handler)
	patches atomic.Int64
}

func newTusServer(t *testing.T) *tusServer {
	t.Helper()
	s := &tusServer{dir: t.TempDir()}
	composer := handler.NewStoreComposer()
	filestore.New(s.dir).UseIn(composer)
	h, err := handler.NewHandler(handler.Config{StoreComposer: composer, BasePath: "/uploads/", Logger: expslog.New(expslog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.handler = http.StripPrefix("/uploads", h)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			s.patches.Add(1)
		}
		if s.disturb != nil {
			s.disturb(w, r, s.handler)
			return
		}
		s.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// stored returns what the server has of an upload.
func (s *tusServer) stored(t *testing.T, id string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, id))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// cutAfter serves a request whose connection is lost behind the first bytes of its body.
func cutAfter(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
	r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, n), brokenReader{}))
	next.ServeHTTP(discard{http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func newUpload(s *tusServer, content []byte) *client.Resumable {
	return &client.Resumable{
		Client: &client.Client{BaseURL: s.URL, RetryFor: time.Minute},
		Video:  client.Video{Name: "My Song.mp4", Options: map[string]string{"preset": "speech"}},
		File:   bytes.NewReader(content), Size: int64(len(content)),
	}
}

func randomBytes(n int) []byte {
	content := make([]byte, n)
	rand.Read(content)
	return content
}

// The file arrives complete although connections are lost inside of parts, and little is
// sent twice.
func TestUploadThroughLostConnections(t *testing.T) {
	s := newTusServer(t)
	const cuts = 20
	content := randomBytes(8 << 20)
	var lost atomic.Int64
	s.disturb = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch && lost.Add(1) <= cuts {
			cutAfter(r.ContentLength/int64(3), w, r, next)
		}
		next.ServeHTTP(w, r)
	}
	u := newUpload(s, content)
	u.PartSize = 1 << 20
	id, err := u.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.stored(t, id), content) {
		t.Error("the server has another file")
	}
	if lost.Load() <= cuts {
		t.Errorf("only %d requests were disturbed", lost.Load())
	}
	t.Logf("bytes sent ÷ size with %d lost connections: %.2f", cuts, float64(u.Sent())/float64(u.Size))
}

// Another process goes on where the first one was interrupted.
func TestUploadResumesInAnotherProcess(t *testing.T) {
	s := newTusServer(t)
	content := randomBytes(3 << 20)
	first := newUpload(s, content)
	first.PartSize = 1 << 20
	ctx, cancel := context.WithCancel(t.Context())
	var saved string
	first.Created = func(id string) error { saved = id; return nil }
	first.Progress = func(offset int64) {
		if offset > 2<<20 {
			cancel()
		}
	}
	if _, err := first.Run(ctx); err == nil {
		t.Fatal("the interrupted upload succeeded")
	}
	second := newUpload(s, content)
	second.ID = saved
	resumed := int64(0)
	second.Resumed = func(offset int64) { resumed = offset }
	id, err := second.Run(t.Context())
	if err != nil || id != saved {
		t.Fatalf("upload %q, %v, want %q", id, err, saved)
	}
	if resumed < 2<<20 || second.Sent() > 1<<20 {
		t.Errorf("resumed at %d and sent %d bytes of %d", resumed, second.Sent(), len(content))
	}
	if !bytes.Equal(s.stored(t, id), content) {
		t.Error("the server has another file")
	}
}

func TestUploadAfterAnswers(t *testing.T) {
	tests := []struct {
		name    string
		method  string // whose first request gets the answer
		status  int
		answers int
		want    int // status of the error; 0 for none
	}{
		{"the service is busy", http.MethodPost, 503, 2, 0},
		{"another request holds the upload", http.MethodPatch, 423, 2, 0},
		{"too many requests", http.MethodPatch, 429, 2, 0},
		{"the offset is another one", http.MethodPatch, 409, 1, 0},
		{"a proxy fails", http.MethodPatch, 502, 1, 0},
		{"a bad option", http.MethodPost, 400, 1, 400},
		{"too large", http.MethodPost, 413, 1, 413},
		{"no space", http.MethodPatch, 507, 1, 507},
		{"the token is wrong", http.MethodPatch, 401, 1, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newTusServer(t)
			var answered atomic.Int64
			s.disturb = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == test.method && answered.Add(1) <= int64(test.answers) {
					w.WriteHeader(test.status)
					return
				}
				next.ServeHTTP(w, r)
			}
			content := randomBytes(1 << 20)
			id, err := newUpload(s, content).Run(t.Context())
			if client.StatusCode(err) != test.want || test.want == 0 && err != nil {
				t.Fatalf("error %v, want status %d", err, test.want)
			}
			if err == nil && !bytes.Equal(s.stored(t, id), content) {
				t.Error("the server has another file")
			}
		})
	}
}

// The service decides how long the pause is.
func TestRetryAfter(t *testing.T) {
	s := newTusServer(t)
	var answered atomic.Bool
	s.disturb = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !answered.Swap(true) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
			return
		}
		next.ServeHTTP(w, r)
	}
	u := newUpload(s, randomBytes(100))
	var pauses []time.Duration
	u.Client.OnRetry = func(_ error, pause time.Duration) { pauses = append(pauses, pause) }
	if _, err := u.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(pauses) != 1 || pauses[0] != time.Second {
		t.Errorf("pauses %v, want 1s", pauses)
	}
}

// An upload that has expired starts again; one that is complete is a job.
func TestUploadThatTheServerNoLongerHas(t *testing.T) {
	for _, complete := range []bool{false, true} {
		t.Run(fmt.Sprint("complete ", complete), func(t *testing.T) {
			s := newTusServer(t)
			s.disturb = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				switch {
				case r.URL.Path == "/jobs/0123456789" && complete:
					io.WriteString(w, `{"id":"0123456789"}`)
				case strings.HasPrefix(r.URL.Path, "/jobs/"):
					http.NotFound(w, r)
				default:
					next.ServeHTTP(w, r)
				}
			}
			u := newUpload(s, randomBytes(1000))
			u.ID = "0123456789"
			id, err := u.Run(t.Context())
			if err != nil || (id == "0123456789") != complete {
				t.Errorf("upload %q, %v", id, err)
			}
		})
	}
}

// Without progress an upload is given up after RetryFor.
func TestUploadGivesUp(t *testing.T) {
	s := newTusServer(t)
	s.disturb = func(w http.ResponseWriter, r *http.Request, _ http.Handler) { w.WriteHeader(503) }
	u := newUpload(s, randomBytes(1000))
	u.Client.RetryFor = 500 * time.Millisecond
	if _, err := u.Run(t.Context()); client.StatusCode(err) != 503 {
		t.Errorf("error %v, want status 503", err)
	}
}

// A file that cannot be read is no reason to try again.
func TestUnreadableFile(t *testing.T) {
	closed, err := os.Create(filepath.Join(t.TempDir(), "video"))
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, test := range []struct {
		name string
		file io.ReaderAt
		want error
	}{
		{"closed", closed, os.ErrClosed},
		{"shorter than announced", bytes.NewReader(randomBytes(999)), client.ErrFileTooShort},
	} {
		u := newUpload(newTusServer(t), randomBytes(1000))
		u.File = test.file
		if _, err := u.Run(t.Context()); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
	}
}

// A token that expires during the upload is replaced, and goes to no other server.
func TestUploadWithExpiredToken(t *testing.T) {
	s := newTusServer(t)
	var valid atomic.Int64 // requests for which the token is valid
	valid.Store(2)
	s.disturb = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case r.URL.Path == "/login":
			valid.Store(1000)
			io.WriteString(w, "a.b.c")
		case valid.Add(-1) < 0:
			w.WriteHeader(401)
		default:
			next.ServeHTTP(w, r)
		}
	}
	content := randomBytes(3 << 20)
	u := newUpload(s, content)
	u.PartSize = 1 << 20
	u.Client.Email, u.Client.Password = "user@example.com", "password"
	id, err := u.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.stored(t, id), content) || u.Client.Token != "a.b.c" {
		t.Errorf("token %q, or the server has another file", u.Client.Token)
	}
}

// The Location of an upload may name another server, such as a proxy's internal address.
func TestLocationOfAnotherServer(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s", r.Method, r.URL) }))
	defer other.Close()
	s := newTusServer(t)
	s.disturb = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		if l := w.Header().Get("Location"); l != "" {
			w.Header().Set("Location", other.URL+"/uploads/"+filepath.Base(l))
		}
		w.WriteHeader(rec.Code)
	}
	if _, err := newUpload(s, randomBytes(1000)).Run(t.Context()); err != nil {
		t.Error(err)
	}
}

// A connection on which nothing moves is given up.
func TestStalledUpload(t *testing.T) {
	s := newTusServer(t)
	var stalled atomic.Bool
	s.disturb = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch && !stalled.Swap(true) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	}
	content := randomBytes(1000)
	u := newUpload(s, content)
	u.Client.StallTimeout = 300 * time.Millisecond
	id, err := u.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.stored(t, id), content) {
		t.Error("the server has another file")
	}
}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
