package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/forwarded"
	"mp3converter/shared/problem"
)

// Behind a proxy an error response is sent after the body was read: a proxy may lose a
// response that it receives while it sends the body.
func TestErrorBehindProxyFollowsBody(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.NoToken) })
	srv := httptest.NewServer(lingeringClose(refuse, time.Minute, forwarded.Config{}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	half := bytes.Repeat([]byte("x"), 1<<20)
	fmt.Fprintf(conn, "POST /upload HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nContent-Length: %d\r\n\r\n", 2*len(half))
	if _, err := conn.Write(half); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("response in the middle of the body: %d bytes, %v", n, err)
	}
	if _, err := conn.Write(half); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d, %v", resp.StatusCode, err)
	}
}

// Auth learns the address of the client through three proxies in front of the gateway,
// and one behind it that drops X-Forwarded-For. What the client itself claims is not
// passed on.
func TestAuthLearnsClientAddress(t *testing.T) {
	keys := testKeys(t, 'x')
	for name, c := range map[string]struct {
		hops int
		want string
	}{
		"hops are counted":          {3, "127.0.0.9"},
		"the header is not trusted": {0, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			auth := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, _ = forwarded.Get(r.Header, keys)
			}))
			ingress := startServer(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(auth) }})
			gateway, err := AuthProxy(ingress.String(), keys, forwarded.Config{Hops: c.hops})
			if err != nil {
				t.Fatal(err)
			}
			front := startServer(t, gateway)
			for range 3 {
				front = startServer(t, httputil.NewSingleHostReverseProxy(front)) // appends to X-Forwarded-For
			}
			// A client with an address that no proxy has.
			client := &http.Client{Transport: &http.Transport{
				DisableKeepAlives: true,
				DialContext:       (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).DialContext,
			}}
			r, err := http.NewRequestWithContext(t.Context(), "POST", front.String()+"/login", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-For", "198.51.100.9, 198.51.100.8, 198.51.100.7, 198.51.100.6")
			r.Header.Set("X-Client-Address", "198.51.100.9 forged")
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got != c.want {
				t.Errorf("auth takes %q for the client, want %q", got, c.want)
			}
		})
	}
}

// A wrong TRUSTED_HOPS is logged once, however many requests show it.
func TestWrongHopsAreLogged(t *testing.T) {
	for hops, want := range map[int]int{1: 0, 2: 1} {
		var log bytes.Buffer
		previous := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		auth := startServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		gateway, err := AuthProxy(auth.String(), testKeys(t, 'x'), forwarded.Config{Hops: hops})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r := httptest.NewRequest("POST", "/login", nil)
			r.Header.Set("X-Forwarded-For", "203.0.113.5")
			gateway.ServeHTTP(httptest.NewRecorder(), r)
		}
		slog.SetDefault(previous)
		if got := strings.Count(log.String(), "TRUSTED_HOPS seems to be wrong"); got != want {
			t.Errorf("TRUSTED_HOPS=%d: %d warnings, want %d: %s", hops, got, want, log.String())
		}
		if strings.Contains(log.String(), "203.0.113.5") {
			t.Error("the log contains the client's address")
		}
	}
}

func startServer(t *testing.T, h http.Handler) *url.URL {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAuthProxyValidates(t *testing.T) {
	if _, err := AuthProxy("http://auth", testKeys(t, 'x'), forwarded.Config{Hops: -1}); err == nil || !strings.Contains(err.Error(), "TRUSTED_HOPS") {
		t.Errorf("error %v, want one that names TRUSTED_HOPS", err)
	}
}
