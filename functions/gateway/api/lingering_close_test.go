package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/forwarded"
	"mp3converter/shared/problem"
)

// Rejected clients that continue to send are limited in number, in all and for each
// address, and in time. Beyond the limits the response is still sent.
func TestLingeringCloseIsLimited(t *testing.T) {
	if 4*maxClientLinger > maxLinger {
		t.Errorf("clients with one address may take %d of %d places, want at most a quarter", maxClientLinger, maxLinger)
	}
	for name, c := range map[string]struct {
		connections int
		header      func(i int) string
		want        int64 // clients that may continue to send
	}{
		"of one client":          {3 * maxClientLinger, func(int) string { return "" }, maxClientLinger},
		"behind a proxy":         {3 * maxClientLinger, func(int) string { return "X-Forwarded-For: 10.0.0.1\r\n" }, maxClientLinger},
		"in all":                 {maxLinger + 20, func(i int) string { return fmt.Sprintf("X-Forwarded-For: 10.0.1.%d\r\n", i) }, maxLinger},
		"that invents addresses": {3 * maxClientLinger, func(i int) string { return fmt.Sprintf("X-Forwarded-For: 10.0.1.%d, 10.0.0.1\r\n", i) }, maxClientLinger},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const timeout = 10 * time.Second
			var ended, lingered atomic.Int64
			refuse := lingeringClose(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				problem.Write(w, r, problem.NoToken)
			}), timeout, forwarded.Config{Hops: 1})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begun := time.Now()
				refuse.ServeHTTP(w, r)
				if time.Since(begun) > timeout/2 {
					lingered.Add(1)
				}
				ended.Add(1)
			}))
			defer srv.Close()
			var all []net.Conn
			for i := range c.connections {
				conn, err := net.Dial("tcp", srv.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "POST /upload HTTP/1.1\r\nHost: x\r\n%sContent-Length: 1000000\r\n\r\n", c.header(i))
				go trickle(conn)
				all = append(all, conn)
			}
			waitUntil(t, "all requests have ended", func() bool { return ended.Load() == int64(c.connections) })
			if n := lingered.Load(); n != c.want {
				t.Errorf("%d clients could continue to send, want %d", n, c.want)
			}
			for _, conn := range all {
				conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				if status, body := readResponse(t, conn); status != http.StatusUnauthorized || !strings.Contains(body, "no_token") {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
}

// A request without a token is answered before its body is sent, and curl's question
// whether to send it is not answered with yes.
func TestNoTokenCostsNoBody(t *testing.T) {
	s := startGateway(t, nil)
	c := s.dial(t, "Expect: 100-continue", "Content-Length: 1000000")
	answer := bufio.NewReader(c)
	line, err := answer.ReadString('\n')
	if err != nil || line != "HTTP/1.1 401 Unauthorized\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	rest, err := io.ReadAll(answer)
	if err != nil || !strings.Contains(string(rest), "no_token") {
		t.Errorf("%s, %v", rest, err)
	}
	s.checkNothingLeft(t)
}
