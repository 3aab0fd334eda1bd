package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/problem"
)

// Tests of connections: clients that disconnect, stall, send slowly or continue to send
// after an error response.

// dial connects to the gateway and starts a request for /upload.
func (s *testGateway) dial(t testing.TB, header ...string) *net.TCPConn {
	t.Helper()
	return s.dialTo(t, "POST", "/upload", append([]string{"Content-Type: video/mp4"}, header...)...)
}

// dialTo opens a connection and sends the header of a request.
func (s *testGateway) dialTo(t testing.TB, method, path string, header ...string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", method, path, strings.Join(header, "\r\n"))
	return c.(*net.TCPConn)
}

func (s *testGateway) authorizationHeader() string { return "Authorization: Bearer " + s.token }

func TestClientDisconnects(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"closed":      func(c *net.TCPConn) { c.Close() },
		"half closed": func(c *net.TCPConn) { c.CloseWrite() },
		"reset":       func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
	} {
		for _, length := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
			t.Run(name+" "+length, func(t *testing.T) {
				t.Parallel()
				s := startGateway(t, nil)
				c := s.dial(t, s.authorizationHeader(), length)
				if strings.HasPrefix(length, "Transfer") {
					fmt.Fprintf(c, "%x\r\n%s\r\n", len(video), video)
				} else {
					c.Write(video)
				}
				waitUntil(t, "the upload has begun", func() bool { return s.files(t, "videos") > 0 })
				leave(c)
				waitUntil(t, "nothing is left", func() bool { return s.files(t, "videos") == 0 })
				s.checkNothingLeft(t)
			})
		}
	}
}

func TestStalledUpload(t *testing.T) {
	t.Parallel()
	s := startGateway(t, func(g *setup) { g.Config.IdleTimeout = 200 * time.Millisecond })
	for name, sent := range map[string][]byte{"at once": nil, "later": video} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(t, s.authorizationHeader(), "Content-Length: 100000")
			c.Write(sent)
			checkProblemOn(t, c, problem.UploadStalled)
			s.checkNothingLeft(t)
		})
	}
}

// An upload may take much longer than the idle timeout if it never pauses that long.
func TestSlowUploadSucceeds(t *testing.T) {
	t.Parallel()
	s := startGateway(t, func(g *setup) {
		g.Config.IdleTimeout = 2 * time.Second // a busy machine may pause for a second
		g.Config.MinRate = 100
	})
	c := s.dial(t, s.authorizationHeader(), fmt.Sprintf("Content-Length: %d", len(video)))
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for rest := video; len(rest) > 0; <-pace.C {
		n := min(len(rest), len(video)/25+1) // takes 5 s
		if _, err := c.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		t.Errorf("status %d", res.StatusCode)
	}
}

// readResponse reads a response and returns its status and body.
func readResponse(t *testing.T, c net.Conn) (int, string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// readResponseTo reads a response to a request, which must match the OpenAPI document.
func readResponseTo(t *testing.T, c net.Conn, method, path string) (*http.Response, []byte) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := exchanges.Observe(&http.Request{Method: method, URL: &url.URL{Path: path}}, res); err != nil {
		t.Errorf("the response to %s %s does not match the OpenAPI document: %v", method, path, err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, b
}

// checkProblemOn reads a response and checks that it is a problem of kind want.
func checkProblemOn(t *testing.T, c net.Conn, want problem.Kind) {
	t.Helper()
	res, b := readResponseTo(t, c, "POST", "/upload")
	checkProblem(t, res, b, want)
}

// A client that reads only after it has sent everything must still receive the error
// response.
func TestErrorReachesClientStillSending(t *testing.T) {
	const size = 64 << 20
	chunk := make([]byte, 1<<20)
	fixed := func(w io.Writer) error {
		for range size / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	}
	chunked := func(w io.Writer) error {
		for range size / len(chunk) {
			if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, "0\r\n\r\n")
		return err
	}
	length := fmt.Sprintf("Content-Length: %d", size)
	const transfer = "Transfer-Encoding: chunked"
	for name, c := range map[string]struct {
		authorized bool
		header     string
		send       func(io.Writer) error
		want       problem.Kind
	}{
		"no token":               {false, length, fixed, problem.NoToken},
		"no token, chunked":      {false, transfer, chunked, problem.NoToken},
		"over the limit":         {true, length, fixed, problem.TooLarge},
		"over the limit, chunks": {true, transfer, chunked, problem.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startGateway(t, nil)
			header := []string{c.header}
			if c.authorized {
				header = append(header, s.authorizationHeader())
			}
			conn := s.dial(t, header...)
			if err := c.send(conn); err != nil {
				t.Fatalf("send: %v", err)
			}
			checkProblemOn(t, conn, c.want)
			s.checkNothingLeft(t)
		})
	}
}

// A client cannot keep a connection open forever by not sending its body, whether or
// not the request was rejected.
func TestUnsentBodyTimesOut(t *testing.T) {
	t.Parallel()
	s := startGateway(t, nil)
	c := s.dial(t, "Transfer-Encoding: chunked")
	checkProblemOn(t, c, problem.NoToken)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection was left open: %v", err)
	}
}

func TestCurlReceivesError(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is not installed: run hack/deps.sh")
	}
	big := filepath.Join(t.TempDir(), "big.mp4")
	if err := os.WriteFile(big, append(bytes.Clone(video), make([]byte, 64<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"form":                      {[]string{"-F", "file=@" + big}, "413"},
		"form, without Expect":      {[]string{"-H", "Expect:", "-F", "file=@" + big}, "413"},
		"chunked":                   {[]string{"-H", "Transfer-Encoding: chunked", "-H", "Expect:", "--data-binary", "@" + big}, "413"},
		"bad token":                 {[]string{"--oauth2-bearer", "x.y.z", "-F", "file=@" + big}, "401"},
		"bad token, without Expect": {[]string{"--oauth2-bearer", "x.y.z", "-H", "Expect:", "-F", "file=@" + big}, "401"},
		"no such route":             {[]string{"-H", "Expect:", "-F", "file=@" + big, "--request-target", "/uplaod"}, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startGateway(t, nil)
			args := append([]string{"-sS", "-m", "60", "-X", "POST", "-w", "\n%{http_code}"}, c.args...)
			if !slices.Contains(c.args, "--oauth2-bearer") {
				args = append(args, "-H", s.authorizationHeader())
			}
			out, err := exec.Command(curl, append(args, s.url+"/upload")...).Output()
			if err != nil {
				var failed *exec.ExitError
				if errors.As(err, &failed) {
					err = fmt.Errorf("%w: %s", err, failed.Stderr)
				}
				t.Fatalf("curl: %v, after %s", err, out)
			}
			body, status, _ := strings.Cut(string(out), "\n\n")
			if status != c.want || !strings.Contains(body, `"status":`+c.want) {
				t.Errorf("status %s, body %s", status, body)
			}
			s.checkNothingLeft(t)
		})
	}
}

// After an error response with nothing left unread, the connection is reused.
func TestConnectionIsReusedAfterError(t *testing.T) {
	s := startGateway(t, nil)
	used := countConnections(s)
	for range 3 {
		res, b := s.upload(t, form{file{"a.mp4", nil}})
		checkProblem(t, res, b, problem.EmptyFile)
	}
	if used.made != 1 || used.reused != 2 {
		t.Errorf("%d connections made, %d reused", used.made, used.reused)
	}
}
