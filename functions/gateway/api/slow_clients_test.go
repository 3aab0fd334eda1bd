package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/forwarded"
	"mp3converter/shared/media"
)

// Tests of hostile connections beside an ordinary user, whose login, upload, job and
// download must stay quick. They use few connections and small limits.

const (
	hostileConnections = 24
	// promptly is the time for one request of the ordinary user. It leaves room for a
	// machine that is busy with other tests.
	promptly = 15 * time.Second
)

func TestUserBesideHostileClients(t *testing.T) {
	for name, attack := range map[string]func(testing.TB, *testGateway){
		"uploads without a body": func(t testing.TB, s *testGateway) {
			s.connect(t, "POST /upload", "Content-Length: 1000000\r\n"+s.authorizationOf(t, "mallory"), nil)
		},
		"uploads with a byte at a time": func(t testing.TB, s *testGateway) {
			// Two users can take all places.
			for _, user := range []string{"mallory", "trudy"} {
				s.connect(t, "POST /upload", "Content-Length: 1000000\r\n"+s.authorizationOf(t, user), []byte("x"))
			}
		},
		"endless bodies without a token": func(t testing.TB, s *testGateway) {
			s.connect(t, "POST /upload", "Content-Length: 1000000000000\r\n", make([]byte, 16<<10))
		},
		"logins with a byte at a time": func(t testing.TB, s *testGateway) {
			s.connect(t, "POST /login", "Content-Length: 16000\r\n", []byte("x"))
		},
		"waits": func(t testing.TB, s *testGateway) {
			token := s.tokenOf(t, "mallory")
			s.connect(t, "GET /jobs/"+s.uploadAs(t, token)+"?wait=200", "Authorization: Bearer "+token+"\r\n", nil)
		},
		"downloads that are not read": func(t testing.TB, s *testGateway) {
			s.connect(t, "GET /jobs/"+s.convertAs(t, s.tokenOf(t, "mallory"), make([]byte, 16<<20))+"/audio", s.authorizationOf(t, "mallory"), nil)
		},
		"downloads of many ranges": func(t testing.TB, s *testGateway) {
			s.connect(t, "GET /jobs/"+s.convertAs(t, s.tokenOf(t, "mallory"), make([]byte, 1<<20))+"/audio",
				tinyRanges(1000)+s.authorizationOf(t, "mallory"), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startGateway(t, func(g *setup) {
				g.Config.IdleTimeout = 2 * time.Second
				g.Auth = startAuth(t)
			})
			attack(t, s)
			for range 3 {
				s.useService(t)
			}
		})
	}
}

// useService does what a user does, and fails the test if a step takes long.
func (s *testGateway) useService(t testing.TB) {
	t.Helper()
	begun := time.Now()
	step := func(name string) {
		t.Helper()
		if took := time.Since(begun); took > promptly {
			t.Fatalf("the ordinary user's %s took %v", name, took)
		}
		begun = time.Now()
	}
	if res, b := s.do(t, "POST", "/login", strings.NewReader("{}"), "Authorization", "Basic YTpi"); res.StatusCode != http.StatusOK {
		t.Fatalf("login: %d %s", res.StatusCode, b)
	}
	step("login")
	j := s.mustUpload(t, "a.mp4")
	step("upload")
	s.claim(t, j.ID)
	s.complete(t, j.ID, video)
	s.getJob(t, j.ID)
	step("job")
	if res, b := s.do(t, "GET", "/jobs/"+j.ID+"/audio?wait=60", nil); res.StatusCode != http.StatusOK || !bytes.Equal(b, video) {
		t.Fatalf("download: %d", res.StatusCode)
	}
	step("download")
}

// startAuth returns the proxy to an auth function that serves few logins at a time, as
// Knative makes it do.
func startAuth(t testing.TB) http.Handler {
	places := make(chan struct{}, 4)
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		places <- struct{}{}
		defer func() { <-places }()
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "token")
	}))
	t.Cleanup(auth.Close)
	proxy, err := AuthProxy(auth.URL, testKeys(t, 'x'), forwarded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return proxy
}

func (s *testGateway) authorizationOf(t testing.TB, user string) string {
	return "Authorization: Bearer " + s.tokenOf(t, user) + "\r\n"
}

// uploadAs uploads a video with another token and returns the job's ID.
func (s *testGateway) uploadAs(t testing.TB, token string) string {
	t.Helper()
	res, b := s.do(t, "POST", "/upload", bytes.NewReader(video), "Authorization", "Bearer "+token)
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("upload: %d %s", res.StatusCode, b)
	}
	return decode[jobResponse](t, b).ID
}

func (s *testGateway) convertAs(t testing.TB, token string, mp3 []byte) string {
	t.Helper()
	job := s.uploadAs(t, token)
	s.claim(t, job)
	s.complete(t, job, mp3)
	return job
}

// connect opens connections that send a request, and then a part of its body ten times
// a second until the test ends. They read nothing.
func (s *testGateway) connect(t testing.TB, request, header string, part []byte) []net.Conn {
	t.Helper()
	var all []net.Conn
	var senders sync.WaitGroup
	stop := make(chan struct{})
	for range hostileConnections {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).SetReadBuffer(16 << 10)
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", request, header)
		all = append(all, c)
		if part == nil {
			continue
		}
		senders.Go(func() {
			pace := time.NewTicker(100 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				if _, err := c.Write(part); err != nil {
					return
				}
			}
		})
	}
	t.Cleanup(func() {
		close(stop)
		for _, c := range all {
			c.Close()
		}
		senders.Wait()
	})
	return all
}

// statuses reads one response from each connection and counts the status codes.
func statuses(t testing.TB, all []net.Conn, within time.Duration) map[int]int {
	t.Helper()
	counts := make(map[int]int) // 0 for connections without a response
	for _, c := range all {
		c.SetReadDeadline(time.Now().Add(within))
		status := 0
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
			status = res.StatusCode
		}
		counts[status]++
	}
	return counts
}

// A user's waits beyond the limit are refused, and do not take places of other users.
func TestWaitsAreLimited(t *testing.T) {
	t.Parallel()
	s := startGateway(t, nil)
	wait := "GET /jobs/" + s.uploadAs(t, s.token) + "?wait=200"
	all := s.connect(t, wait, s.authorizationHeader()+"\r\n", nil)
	waitUntil(t, "the user's waits have taken all of the user's places", func() bool { return s.waits.count() == s.config.MaxUserWaits })
	refused := hostileConnections - int(s.config.MaxUserWaits)
	counts := make(map[int]int)
	for _, c := range all {
		if counts[http.StatusTooManyRequests] == refused {
			break
		}
		for status, n := range statuses(t, []net.Conn{c}, 500*time.Millisecond) {
			counts[status] += n
		}
	}
	if got := counts[http.StatusTooManyRequests]; got != refused {
		t.Errorf("%d of %d waits were refused, want %d", got, hostileConnections, refused)
	}
	for _, c := range all {
		c.Close()
	}
	waitUntil(t, "the waits have ended", func() bool { return s.waits.count() == 0 })
}

// openCounter is a media store that counts its open readers and their seeks.
type openCounter struct {
	media.Store
	mu                sync.Mutex
	open, most, seeks int
}

type countedReader struct {
	io.ReadSeekCloser
	of *openCounter
}

func (o *openCounter) add(open, seeks int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open += open
	o.seeks += seeks
	o.most = max(o.most, o.open)
}

func (o *openCounter) seekCount() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seeks
}

func (o *openCounter) Open(ctx context.Context, id string) (media.Object, io.ReadSeekCloser, error) {
	object, r, err := o.Store.Open(ctx, id)
	if err != nil {
		return object, nil, err
	}
	o.add(1, 0)
	return object, countedReader{r, o}, nil
}

func (r countedReader) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		r.of.add(0, 1)
	}
	return r.ReadSeekCloser.Seek(offset, whence)
}

func (r countedReader) Close() error {
	r.of.add(-1, 0)
	return r.ReadSeekCloser.Close()
}

// Downloads whose client does not read are limited in number and are aborted.
func TestUnreadDownloadsAreLimited(t *testing.T) {
	t.Parallel()
	var audio *openCounter
	s := startGateway(t, func(g *setup) {
		audio = &openCounter{Store: g.Audio}
		g.Audio = audio
		g.Config.IdleTimeout = time.Second
	})
	job := s.convertAs(t, s.token, make([]byte, 16<<20))
	s.connect(t, "GET /jobs/"+job+"/audio", s.authorizationHeader()+"\r\n", nil)
	waitUntil(t, "all downloads have ended", func() bool {
		audio.mu.Lock()
		defer audio.mu.Unlock()
		return audio.most > 0 && audio.open == 0 && s.downloads.count() == 0
	})
	if most := int(s.config.MaxUserDownloads); audio.most > most {
		t.Errorf("%d downloads of one user ran at a time, want at most %d", audio.most, most)
	}
}
