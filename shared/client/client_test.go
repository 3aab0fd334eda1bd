package client_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/client"
)

// A download goes on where the connection was lost.
func TestDownloadResumes(t *testing.T) {
	mp3 := randomBytes(1 << 20)
	tests := []struct {
		name  string
		etag  string // of the server's MP3
		saved []byte // of an earlier run
		sent  int    // bytes that the server must not send more than
		http2 bool
	}{
		{"from the beginning", `"audio"`, nil, 1<<20 + 1, false},
		{"from the beginning by HTTP/2", `"audio"`, nil, 1<<20 + 1, true},
		{"from an earlier run", `"audio"`, mp3[:1000000], 1<<20 - 1000000, false},
		{"complete already", `"audio"`, mp3, 0, false},
		{"of another MP3", `"other"`, randomBytes(1000), 2 << 20, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var cut atomic.Bool
			var sent atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if (r.ProtoMajor == 2) != test.http2 {
					t.Errorf("protocol %s", r.Proto)
				}
				w.Header().Set("ETag", test.etag)
				counted := &countingWriter{ResponseWriter: w, bytes: &sent}
				if !cut.Swap(true) {
					counted.limit = 300_000
				}
				http.ServeContent(counted, r, "", time.Time{}, bytes.NewReader(mp3))
			}))
			if s.EnableHTTP2 = test.http2; s.EnableHTTP2 {
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
			f, err := os.Create(filepath.Join(t.TempDir(), "part"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			f.Write(test.saved)
			j := client.Job{ID: "job"}
			j.Audio.ID, j.Audio.Bytes = "audio", int64(len(mp3))
			c := &client.Client{BaseURL: s.URL, HTTP: s.Client(), RetryFor: time.Minute}
			if err := c.DownloadFile(t.Context(), j, f, nil); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(f.Name())
			if err != nil || !bytes.Equal(got, mp3) {
				t.Errorf("the file has %d bytes, %v", len(got), err)
			}
			if sent.Load() > int64(test.sent) {
				t.Errorf("the server sent %d bytes, want at most %d", sent.Load(), test.sent)
			}
		})
	}
}

// countingWriter counts a response, and cuts it off at a limit.
type countingWriter struct {
	http.ResponseWriter
	bytes *atomic.Int64
	limit int // 0 means none
}

func (w *countingWriter) Write(b []byte) (int, error) {
	if w.limit > 0 {
		if w.limit -= len(b); w.limit <= 0 {
			panic(http.ErrAbortHandler)
		}
	}
	w.bytes.Add(int64(len(b)))
	return w.ResponseWriter.Write(b)
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		want       client.StatusError
	}{
		{"problem", `{"title":"Too large.","code":"too_large","detail":"At most 1 GB."}`, 413,
			client.StatusError{Status: 413, Problem: client.Problem{Code: "too_large", Title: "Too large.", Detail: "At most 1 GB."}, RetryAfter: 7 * time.Second}},
		{"proxy", "<html>bad gateway</html>", 502,
			client.StatusError{Status: 502, Problem: client.Problem{Title: "<html>bad gateway</html>"}, RetryAfter: 7 * time.Second}},
	}
	for _, test := range tests {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(test.status)
			io.WriteString(w, test.body)
		}))
		_, err := (&client.Client{BaseURL: s.URL}).Job(t.Context(), "x")
		s.Close()
		got, ok := err.(*client.StatusError)
		test.want.Method, test.want.Path = "GET", "/jobs/x"
		if !ok || *got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, err, test.want)
		}
	}
}

// A redirect never gets the token or the password, not even on the same host.
func TestRedirect(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s arrived with the header %q", r.Method, r.URL, r.Header)
	}))
	defer target.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.RedirectHandler(target.URL+"/jobs?name=song.mp4", status))
		c := &client.Client{BaseURL: s.URL, Token: "token", RetryFor: time.Minute}
		_, jobsErr := c.Jobs(t.Context())
		loginErr := c.Login(t.Context(), "user@example.com", "password")
		s.Close()
		for _, err := range []error{jobsErr, loginErr} {
			refused, ok := err.(*client.StatusError)
			if !ok || refused.Status != status || refused.Sentence() != "The server redirects to "+target.URL+": use that address." {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
}

// An error of the file system is not one of the network, although net.Error fits it.
func TestFileErrorIsNotTemporary(t *testing.T) {
	for _, err := range []error{
		os.Rename(filepath.Join(t.TempDir(), "missing"), "b"), os.Remove(filepath.Join(t.TempDir(), "missing")),
	} {
		if client.Temporary(err) || client.IsUnreachable(err) {
			t.Errorf("%v is temporary", err)
		}
	}
}

// A job that fails ends the wait with its error; progress is reported until then.
func TestWatch(t *testing.T) {
	answers := []string{
		`{"id":"x","state":"queued"}`, `{"id":"x","state":"converting","progress":40}`,
		`{"id":"x","state":"failed","error":{"code":"no_audio","message":"No sound."}}`,
	}
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := n.Add(1) - 1
		if (i > 0) != r.URL.Query().Has("wait") {
			t.Errorf("request %d: %s", i, r.URL)
		}
		io.WriteString(w, answers[i])
	}))
	defer s.Close()
	var states []string
	_, err := (&client.Client{BaseURL: s.URL}).Watch(t.Context(), "x", func(j client.Job) { states = append(states, j.State) })
	failed, ok := err.(*client.JobError)
	if !ok || failed.Job.Error.Code != "no_audio" || len(states) != 3 {
		t.Errorf("error %v after %v", err, states)
	}
}
