package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/forwarded"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
)

// Tests of uploads that wait for a place, and of the pace of those that have one.

// counter counts the calls that are in progress.
type counter struct{ running, most atomic.Int64 }

func (c *counter) call() (end func()) {
	n := c.running.Add(1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	return func() { c.running.Add(-1) }
}

// putCounter is a media store that counts the uploads that it is reading.
type putCounter struct {
	media.Store
	counter
	hold chan struct{} // if not nil, Put waits until it is closed
}

func (p *putCounter) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	defer p.call()()
	if p.hold != nil {
		<-p.hold
	}
	return p.Store.Put(ctx, o, r)
}

// usageCounter is a slow store of records that counts the queries of a user's quota.
type usageCounter struct {
	jobs.Store
	counter
}

func (u *usageCounter) Usage(ctx context.Context, owner string) (jobs.Usage, error) {
	defer u.call()()
	time.Sleep(10 * time.Millisecond)
	return u.Store.Usage(ctx, owner)
}

// A burst of one user is accepted in full; the stores get a few uploads at a time.
func TestBurstOfOneUserIsAccepted(t *testing.T) {
	t.Parallel()
	var videos *putCounter
	var records *usageCounter
	s := startGateway(t, func(g *setup) {
		videos, records = &putCounter{Store: g.Videos}, &usageCounter{Store: g.Jobs}
		g.Videos, g.Jobs = videos, records
		g.Config.TransferWait = time.Minute
	})
	const burst = 60
	var uploads sync.WaitGroup
	var accepted atomic.Int64
	for range burst {
		uploads.Go(func() {
			res, b := s.do(t, "POST", "/upload", bytes.NewReader(video))
			if res.StatusCode == http.StatusAccepted {
				accepted.Add(1)
			} else {
				t.Errorf("%d %s", res.StatusCode, b)
			}
		})
	}
	uploads.Wait()
	if n := accepted.Load(); n != burst {
		t.Errorf("%d of %d uploads were accepted", n, burst)
	}
	if most := videos.most.Load(); most > s.config.MaxUserUploads {
		t.Errorf("%d uploads of one user ran at a time, want at most %d", most, s.config.MaxUserUploads)
	}
	if most := records.most.Load(); most > s.config.MaxUserUploads {
		t.Errorf("%d queries for uploads of one user ran at a time, want at most %d", most, s.config.MaxUserUploads)
	}
	if n := s.uploads.count(); n != 0 {
		t.Errorf("%d places are still taken", n)
	}
}

// An upload without a place is refused after the wait. Until then its body is not read.
func TestUploadWithoutAPlace(t *testing.T) {
	for name, c := range map[string]struct {
		users []string // who have all places
		want  problem.Kind
	}{
		"of the user": {[]string{"anna", "anna"}, problem.TooManyRequests},
		"in all":      {[]string{"bert", "bert", "carl"}, problem.Busy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			videos := &putCounter{hold: make(chan struct{})}
			s := startGateway(t, func(g *setup) {
				videos.Store, g.Videos = g.Videos, videos
				g.Config.MaxUpload = 1 << 30
				g.Config.MaxUploads, g.Config.MaxUserUploads = 3, 2
				g.Config.TransferWait = 3 * time.Second
			})
			var uploads sync.WaitGroup
			finish := sync.OnceFunc(func() {
				close(videos.hold)
				uploads.Wait()
			})
			defer finish()
			for _, user := range c.users {
				token := s.tokenOf(t, user)
				uploads.Go(func() { s.uploadAs(t, token) })
			}
			waitUntil(t, "the places are taken", func() bool { return videos.running.Load() == int64(len(c.users)) })

			conn := s.dial(t, s.authorizationHeader(), "Content-Length: 1000000000")
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			sent, err := io.Copy(conn, io.LimitReader(zeroReader{}, 100<<20))
			if !errors.Is(err, os.ErrDeadlineExceeded) || sent > 50<<20 {
				t.Errorf("%d bytes of a waiting upload were read, then %v", sent, err)
			}
			checkProblemOn(t, conn, c.want)
			finish()
			s.uploadAs(t, s.token) // the places are free again
		})
	}
}

func TestRefusedUploadHasRetryAfter(t *testing.T) {
	p := newPool(poolLimits{running: 1, userRunning: 1})
	if _, err := p.enter("anna"); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]problem.Kind{"anna": problem.TooManyRequests, "bert": problem.Busy} {
		_, err := p.acquire(t.Context(), user)
		w := httptest.NewRecorder()
		problem.Write(w, httptest.NewRequest("POST", "/upload", nil), err)
		if !errors.Is(err, want) || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %v with Retry-After %q, want %s", user, err, w.Header().Get("Retry-After"), want.Code)
		}
	}
}

// The time limit of the server for a body does not end an upload that waits for a place.
func TestWaitingUploadOutlivesServerTimeout(t *testing.T) {
	t.Parallel()
	s := newTestGateway(t, func(g *setup) { g.Config.MaxUserUploads = 1 })
	srv := httptest.NewUnstartedServer(s.Handler())
	srv.Config.ReadTimeout = 300 * time.Millisecond
	srv.Start()
	defer srv.Close()
	s.url, s.client = srv.URL, srv.Client()
	release, err := s.uploads.acquire(t.Context(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(4*srv.Config.ReadTimeout, release)
	// More than the server reads together with the header.
	res, b := s.do(t, "POST", "/upload", bytes.NewReader(append(bytes.Clone(video), make([]byte, 500<<10)...)))
	if res.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

// pausingStore is a media store that pauses while it reads a video.
type pausingStore struct {
	media.Store
	pause time.Duration
}

func (p pausingStore) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	first := make([]byte, 4<<10)
	n, err := io.ReadFull(r, first)
	if err != nil {
		return o, err
	}
	time.Sleep(p.pause)
	return p.Store.Put(ctx, o, io.MultiReader(bytes.NewReader(first[:n]), r))
}

// The time that a store takes is not the client's fault.
func TestStoreIsSlowerThanMinimumRate(t *testing.T) {
	t.Parallel()
	const size = 16 << 20 // more than the connection buffers
	s := startGateway(t, func(g *setup) {
		g.Config.MaxUpload = size
		g.Config.IdleTimeout = time.Second
		g.Config.MinRate = 64 << 10
		g.Videos = pausingStore{g.Videos, 3 * time.Second}
	})
	res, b := s.do(t, "POST", "/upload", bytes.NewReader(append(bytes.Clone(video), make([]byte, size-len(video))...)))
	if res.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

// pausingAudio is a media store whose readers pause after the first bytes.
type pausingAudio struct {
	media.Store
	pause time.Duration
}

type pausingReader struct {
	io.ReadSeekCloser
	pause time.Duration
	reads int
}

func (p pausingAudio) Open(ctx context.Context, id string) (media.Object, io.ReadSeekCloser, error) {
	o, r, err := p.Store.Open(ctx, id)
	return o, &pausingReader{ReadSeekCloser: r, pause: p.pause}, err
}

func (p *pausingReader) Read(b []byte) (int, error) {
	if p.reads++; p.reads == 2 {
		time.Sleep(p.pause)
	}
	return p.ReadSeekCloser.Read(b)
}

func TestStoreIsSlowerThanDownload(t *testing.T) {
	t.Parallel()
	s := startGateway(t, func(g *setup) {
		g.Config.IdleTimeout = time.Second
		g.Audio = pausingAudio{g.Audio, 3 * time.Second}
	})
	mp3 := randomBytes(300 << 10)
	res, b := s.do(t, "GET", "/jobs/"+s.convertAs(t, s.token, mp3)+"/audio", nil)
	if res.StatusCode != http.StatusOK || !bytes.Equal(b, mp3) {
		t.Errorf("%d with %d bytes", res.StatusCode, len(b))
	}
}

// A client that always sends a little is aborted, however much it has sent before.
func TestTrickledUploadIsAborted(t *testing.T) {
	t.Parallel()
	for name, first := range map[string][]byte{
		"from the start":   nil,
		"after many bytes": append(bytes.Clone(video), make([]byte, 4<<20)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startGateway(t, func(g *setup) {
				g.Config.MaxUpload = 16 << 20
				g.Config.IdleTimeout = 2 * time.Second
			})
			c := s.dial(t, s.authorizationHeader(), "Content-Length: 10000000")
			c.Write(first)
			go trickle(c)
			checkProblemOn(t, c, problem.UploadStalled)
			waitUntil(t, "nothing is left", func() bool { return s.files(t, "videos") == 0 })
			s.checkNothingLeft(t)
		})
	}
}

// trickle sends a byte ten times a second.
func trickle(c net.Conn) {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for range pace.C {
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
	}
}

// A body for the auth function is passed on once it is complete, and must be so in time.
func TestSlowLoginDoesNotReachAuth(t *testing.T) {
	t.Parallel()
	var called atomic.Int64
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called.Add(1)
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d bytes, length %d", len(b), r.ContentLength)
	}))
	defer auth.Close()
	proxy, err := AuthProxy(auth.URL, testKeys(t, 'x'), forwarded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(lingeringClose(proxy, lingerTimeout, forwarded.Config{}))
	srv.Config.ReadTimeout = time.Second
	srv.Start()
	defer srv.Close()
	for _, path := range []string{"/login", "/register"} {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 16000\r\n\r\n", path)
		go trickle(c)
		res, body := readResponseTo(t, c, "POST", path)
		if res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), "request_timeout") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	if n := called.Load(); n != 0 {
		t.Errorf("the auth function was called %d times for an incomplete body", n)
	}
	for _, sent := range []io.Reader{strings.NewReader("whole"), struct{ io.Reader }{strings.NewReader("whole")}} {
		res, err := http.Post(srv.URL+"/login", "text/plain", sent)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(b) != "5 bytes, length 5" {
			t.Errorf("the auth function got %s", b)
		}
	}
}
