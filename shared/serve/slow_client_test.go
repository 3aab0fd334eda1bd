package serve

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// startServer serves h with the limits of newServer, after change. It returns the address.
func startServer(t *testing.T, h http.Handler, change func(*http.Server)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := newServer(h)
	if change != nil {
		change(srv)
	}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return l.Addr().String()
}

func dial(t *testing.T, address, request string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, request)
	return c
}

// A client that does not complete its header, or does not send another request, is
// disconnected.
func TestConnectionTimesOut(t *testing.T) {
	t.Parallel()
	address := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), func(srv *http.Server) {
		srv.ReadTimeout = time.Hour // or it would hide that the others are missing
		srv.ReadHeaderTimeout /= 100
		srv.IdleTimeout /= 100
	})
	for name, request := range map[string]string{
		"header": "GET / HTTP/1.1\r\nHost: x\r\n",
		"idle":   "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		if _, err := io.Copy(io.Discard, dial(t, address, request)); err != nil {
			t.Errorf("%s: the connection was left open: %v", name, err)
		}
	}
}

// A body must arrive in time, even if data arrives all the time.
func TestSlowBodyTimesOut(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	address := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		ended <- err
	}), func(srv *http.Server) { srv.ReadTimeout /= 30 })
	c := dial(t, address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for range 150 {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("the body was read without an error")
			}
			return
		case <-pace.C:
			c.Write([]byte("x"))
		}
	}
	t.Error("a body with a byte at a time is still being read after 15 s")
}

// The limit is for the body: a handler may work for as long as it likes, and the
// request's context does not end.
func TestSlowHandlerIsNotLimited(t *testing.T) {
	t.Parallel()
	address := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			http.Error(w, "the context has ended", http.StatusInternalServerError)
		case <-time.After(time.Second):
		}
	}), func(srv *http.Server) { srv.ReadTimeout /= 100 })
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"} {
		res, err := http.ReadResponse(bufio.NewReader(dial(t, address, request)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK {
			t.Errorf("%.4s: status %d", request, res.StatusCode)
		}
	}
}

// A handler is not blocked for long by a client that does not read the response.
func TestUnreadResponseIsAborted(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	h := logRequestsWith(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 64<<20))
		ended <- err
	}), time.Second)
	c := dial(t, startServer(t, h, nil), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.(*net.TCPConn).SetReadBuffer(16 << 10)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the response was written without a reader")
		}
	case <-time.After(20 * time.Second):
		t.Error("the handler is still writing after 20 s")
	}
}

// A handler may allow more time for its response.
func TestHandlerExtendsWriteDeadline(t *testing.T) {
	t.Parallel()
	const size = 16 << 20 // more than the connection buffers
	h := logRequestsWith(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute))
		io.Copy(w, io.LimitReader(zeros{}, size))
	}), 100*time.Millisecond)
	c := dial(t, startServer(t, h, nil), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	time.Sleep(time.Second) // does not read
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); n != size {
		t.Errorf("%d bytes received, want %d: %v", n, size, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
