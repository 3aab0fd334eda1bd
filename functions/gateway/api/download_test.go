package api

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestDownload(t *testing.T) {
	s := startGateway(t, nil)
	mp3 := randomBytes(3*stride + 17)
	j := s.mustConvert(t, "🎵 \\\"a\\\" 100%.mp4", mp3)
	for _, path := range []string{"/jobs/" + j.ID + "/audio", "/download?fid=" + j.ID, "/download?fid=" + j.Audio.ID} {
		for _, method := range []string{"GET", "HEAD"} {
			res, b := s.do(t, method, path, nil)
			if res.StatusCode != 200 || res.ContentLength != int64(len(mp3)) {
				t.Fatalf("%s %s: %d, %d bytes: %.200s", method, path, res.StatusCode, res.ContentLength, b)
			}
			if method == "GET" && !bytes.Equal(b, mp3) {
				t.Errorf("%s: body is not the MP3", path)
			}
			for name, want := range map[string]string{
				"Content-Type":           "audio/mpeg",
				"Accept-Ranges":          "bytes",
				"ETag":                   `"` + j.Audio.ID + `"`,
				"Cache-Control":          "private, no-cache",
				"X-Content-Type-Options": "nosniff",
			} {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s %s: %s %q, want %q", method, path, name, got, want)
				}
			}
			_, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition"))
			if want := `🎵 "a" 100%.mp3`; err != nil || params["filename"] != want {
				t.Errorf("%s %s: file name %q, %v, want %q", method, path, params["filename"], err, want)
			}
		}
	}
}

func TestDownloadRanges(t *testing.T) {
	s := startGateway(t, nil)
	mp3 := randomBytes(10000)
	j := s.mustConvert(t, "a.mp4", mp3)
	etag := `"` + j.Audio.ID + `"`
	for name, c := range map[string]struct {
		header []string
		status int
		want   []byte
		of     string // Content-Range
	}{
		"first byte":      {[]string{"Range", "bytes=0-0"}, 206, mp3[:1], "bytes 0-0/10000"},
		"last byte":       {[]string{"Range", "bytes=9999-9999"}, 206, mp3[9999:], "bytes 9999-9999/10000"},
		"from":            {[]string{"Range", "bytes=4000-"}, 206, mp3[4000:], "bytes 4000-9999/10000"},
		"suffix":          {[]string{"Range", "bytes=-10"}, 206, mp3[9990:], "bytes 9990-9999/10000"},
		"suffix too long": {[]string{"Range", "bytes=-20000"}, 206, mp3, "bytes 0-9999/10000"},
		"end beyond":      {[]string{"Range", "bytes=9000-20000"}, 206, mp3[9000:], "bytes 9000-9999/10000"},
		"if same file":    {[]string{"Range", "bytes=0-9", "If-Range", etag}, 206, mp3[:10], "bytes 0-9/10000"},
		"if other file":   {[]string{"Range", "bytes=0-9", "If-Range", `"other"`}, 200, mp3, ""},
		"cached":          {[]string{"If-None-Match", etag}, 304, nil, ""},
		"known in a list": {[]string{"If-None-Match", `"other", ` + etag}, 304, nil, ""},
		"not cached":      {[]string{"If-None-Match", `"other"`}, 200, mp3, ""},
		"if match fails":  {[]string{"If-Match", `"other"`}, 412, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			res, b := s.do(t, "GET", "/jobs/"+j.ID+"/audio", nil, c.header...)
			if res.StatusCode != c.status || !bytes.Equal(b, c.want) {
				t.Errorf("status %d with %d bytes, want %d with %d", res.StatusCode, len(b), c.status, len(c.want))
			}
			if got := res.Header.Get("Content-Range"); got != c.of {
				t.Errorf("Content-Range %q, want %q", got, c.of)
			}
		})
	}
}

func TestDownloadMultipleRanges(t *testing.T) {
	s := startGateway(t, nil)
	mp3 := randomBytes(10000)
	j := s.mustConvert(t, "a.mp4", mp3)
	res, b := s.do(t, "GET", "/jobs/"+j.ID+"/audio", nil, "Range", "bytes=0-9,5000-5009")
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || res.StatusCode != 206 || kind != "multipart/byteranges" {
		t.Fatalf("%d %q %v", res.StatusCode, kind, err)
	}
	parts := multipart.NewReader(bytes.NewReader(b), params["boundary"])
	for _, want := range [][]byte{mp3[:10], mp3[5000:5010]} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("part %s: %v", p.Header.Get("Content-Range"), err)
		}
	}
}

func TestUnsatisfiableRange(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", randomBytes(100))
	for _, r := range []string{"bytes=100-", "bytes=200-300", "bytes=9-2", "bytes=x"} {
		res, b := s.do(t, "GET", "/jobs/"+j.ID+"/audio", nil, "Range", r)
		checkProblem(t, res, b, problem.BadRange)
		for _, of := range []string{"Content-Disposition", "ETag"} {
			if got := res.Header.Get(of); got != "" {
				t.Errorf("%s: the error response has %s %q", r, of, got)
			}
		}
	}
	// The next request succeeds.
	if res, _ := s.do(t, "GET", "/jobs/"+j.ID+"/audio", nil); res.StatusCode != 200 {
		t.Errorf("next request: %d", res.StatusCode)
	}
}

func TestDownloadRejects(t *testing.T) {
	s := startGateway(t, nil)
	queued := s.mustUpload(t, "queued.mp4")
	cancelled := s.mustUpload(t, "cancelled.mp4")
	s.do(t, "POST", "/jobs/"+cancelled.ID+"/cancel", nil)
	for _, path := range []string{"/jobs/%s/audio", "/download?fid=%s"} {
		res, b := s.do(t, "GET", fmt.Sprintf(path, cancelled.ID), nil)
		checkProblem(t, res, b, problem.NoMP3)
	}
	res, b := s.do(t, "GET", "/jobs/"+queued.ID+"/audio", nil)
	checkProblem(t, res, b, problem.NotReady)
	if res.Header.Get("Retry-After") == "" {
		t.Error("not ready without Retry-After")
	}
	res, b = s.do(t, "GET", "/download", nil)
	checkProblem(t, res, b, problem.BadRequest)
	res, b = s.do(t, "GET", "/jobs/"+queued.ID+"/audio?wait=soon", nil)
	checkProblem(t, res, b, problem.BadRequest)
	// The identifier of a video is not that of an MP3.
	res, b = s.do(t, "GET", "/download?fid="+queued.Video.ID, nil)
	checkProblem(t, res, b, problem.JobNotFound)
}

// A script can tell "not yet" from "never" by the status, and knows when to ask again.
func TestDownloadOfUnfinishedJob(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	for _, state := range []jobs.State{jobs.Queued, jobs.Converting} {
		if state == jobs.Converting {
			s.claim(t, j.ID)
		}
		for _, method := range []string{"GET", "HEAD"} {
			res, b := s.do(t, method, "/download?fid="+j.ID, nil)
			if res.StatusCode != 202 || res.Header.Get("Location") != "/jobs/"+j.ID || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s, %s: %d %v", method, state, res.StatusCode, res.Header)
			}
			if method == "GET" && decode[jobResponse](t, b).State != state {
				t.Errorf("%s: %s", state, b)
			}
		}
	}
	s.complete(t, j.ID, []byte("mp3"))
	if res, b := s.do(t, "GET", "/download?fid="+j.ID, nil); res.StatusCode != 200 || string(b) != "mp3" {
		t.Errorf("done: %d %s", res.StatusCode, b)
	}
}

// connections counts the requests made on reused and on new connections.
type connections struct {
	http.RoundTripper
	reused, made int
}

func countConnections(s *testGateway) *connections {
	c := &connections{RoundTripper: s.client.Transport}
	s.client.Transport = c
	return c
}

func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.RoundTripper.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			if got.Reused {
				c.reused++
			} else {
				c.made++
			}
		},
	})))
}

// A download sets a deadline on its connection, which must not apply to the next
// request.
func TestConnectionIsReusedAfterDownload(t *testing.T) {
	const idleTimeout = 200 * time.Millisecond
	s := startGateway(t, func(g *setup) { g.Config.IdleTimeout = idleTimeout })
	mp3 := randomBytes(1000)
	j := s.mustConvert(t, "a.mp4", mp3)
	used := countConnections(s)
	if res, b := s.do(t, "GET", "/jobs/"+j.ID+"/audio", nil); res.StatusCode != 200 || !bytes.Equal(b, mp3) {
		t.Errorf("download: %d", res.StatusCode)
	}
	<-time.After(3 * idleTimeout)
	if res, b := s.do(t, "GET", "/jobs/"+j.ID, nil); res.StatusCode != 200 {
		t.Errorf("next request: %d %s", res.StatusCode, b)
	}
	// A retry by the client on a new connection would hide the error.
	if used.reused+used.made != 2 {
		t.Errorf("%d connections made, %d reused", used.made, used.reused)
	}
}

// get starts a download on a new connection and returns the response with its body
// unread.
func (s *testGateway) get(t testing.TB, path string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.(*net.TCPConn).SetReadBuffer(16 << 10)
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", path, s.authorizationHeader())
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 4096), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestStalledDownloadIsAborted(t *testing.T) {
	t.Parallel()
	const idleTimeout = 300 * time.Millisecond
	s := startGateway(t, func(g *setup) { g.Config.IdleTimeout = idleTimeout })
	j := s.mustConvert(t, "a.mp4", make([]byte, 64<<20))
	res := s.get(t, "/jobs/"+j.ID+"/audio")
	<-time.After(4 * idleTimeout)
	n, err := io.Copy(io.Discard, res.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes received, then %v", n, err)
	}
}

func TestSlowDownloadSucceeds(t *testing.T) {
	t.Parallel()
	const idleTimeout = 2 * time.Second // a busy machine may pause for a second
	s := startGateway(t, func(g *setup) { g.Config.IdleTimeout = idleTimeout })
	const size = 24 << 20
	j := s.mustConvert(t, "a.mp4", make([]byte, size))
	res := s.get(t, "/jobs/"+j.ID+"/audio")
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	var total int64
	for err := error(nil); err == nil; <-pace.C { // takes 4.8 s
		var n int64
		n, err = io.CopyN(io.Discard, res.Body, size/48)
		total += n
	}
	if total != size {
		t.Errorf("%d bytes received, want %d", total, size)
	}
}
