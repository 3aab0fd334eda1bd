package toxic

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo starts a server that sends back what it receives.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

const message = "0123456789"

// exchange sends the message and returns what comes back within the limit.
func exchange(c net.Conn, limit time.Duration) (string, time.Duration, error) {
	start := time.Now()
	c.SetDeadline(start.Add(limit))
	if _, err := io.WriteString(c, message); err != nil {
		return "", time.Since(start), err
	}
	b := make([]byte, len(message))
	n, err := io.ReadFull(c, b)
	return string(b[:n]), time.Since(start), err
}

// Every fault affects open and new connections, and ends with Heal.
func TestFaults(t *testing.T) {
	const slow = time.Minute // for what must succeed
	for _, c := range []struct {
		fault Fault
		limit time.Duration
		check func(t *testing.T, got string, took time.Duration, err error)
	}{
		{Delay(300 * time.Millisecond), slow, func(t *testing.T, got string, took time.Duration, err error) {
			if got != message || took < 600*time.Millisecond {
				t.Errorf("%q after %v, %v; want the message after 600ms", got, took, err)
			}
		}},
		{Trickle(50 * time.Millisecond), slow, func(t *testing.T, got string, took time.Duration, err error) {
			if got != message || took < 450*time.Millisecond {
				t.Errorf("%q after %v, %v; want the message after 450ms", got, took, err)
			}
		}},
		{TruncateRequest(4), slow, func(t *testing.T, got string, _ time.Duration, err error) {
			if len(got) > 4 || err == nil {
				t.Errorf("%q, %v; want at most four bytes and an error", got, err)
			}
		}},
		{TruncateResponse(4), slow, func(t *testing.T, got string, _ time.Duration, err error) {
			if got != message[:4] || err == nil {
				t.Errorf("%q, %v; want four bytes and an error", got, err)
			}
		}},
		{Reset(), slow, func(t *testing.T, got string, _ time.Duration, err error) {
			if got != "" || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q, %v; want the end of the connection", got, err)
			}
		}},
		{Partition(), 300 * time.Millisecond, func(t *testing.T, got string, _ time.Duration, err error) {
			if got != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q, %v; want no data and an open connection", got, err)
			}
		}},
	} {
		t.Run(c.fault.Name, func(t *testing.T) {
			p := Start(t, echo(t))
			open := dial(t, p)
			if got, _, err := exchange(open, slow); got != message {
				t.Fatalf("without a fault: %q, %v", got, err)
			}
			p.Apply(t, c.fault)
			for name, conn := range map[string]net.Conn{"open": open, "new": dial(t, p)} {
				t.Run(name, func(t *testing.T) {
					got, took, err := exchange(conn, c.limit)
					c.check(t, got, took, err)
				})
			}
			p.Heal(t)
			if _, _, err := exchange(open, slow); err == nil {
				t.Error("a connection outlived Heal")
			}
			if got, _, err := exchange(dial(t, p), slow); got != message {
				t.Errorf("after Heal: %q, %v", got, err)
			}
		})
	}
}
