package ffmpeg

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// secret is in the canary file only.
const secret = "CANARY-7f3a9c51e8"

// canary is what no hostile file may reach: a file outside of the converter's
// directories, good to play and to quote, and a server that nobody should call.
// Both tell when they are touched.
type canary struct {
	path  string
	url   string
	watch int
	calls atomic.Int64
}

func newCanary(t testing.TB) *canary {
	t.Helper()
	c := &canary{path: filepath.Join(t.TempDir(), "canary.wav")}
	sound := wav(1, 1, 8000, 16, 16000, append(noise(16000), secret...))
	if err := os.WriteFile(c.path, sound, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c.url = "http://" + l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.calls.Add(1)
			conn.Close()
		}
	}()
	if c.watch, err = unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(c.watch) })
	if _, err := unix.InotifyAddWatch(c.watch, c.path, unix.IN_OPEN|unix.IN_ACCESS); err != nil {
		t.Fatal(err)
	}
	return c
}

// touched says whether and how, and forgets it.
func (c *canary) touched() error {
	if n := c.calls.Swap(0); n > 0 {
		return fmt.Errorf("the canary's server was called %d times", n)
	}
	events := make([]byte, 4096)
	switch n, err := unix.Read(c.watch, events); {
	case errors.Is(err, unix.EAGAIN):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("the canary file was touched: %d bytes of events", n)
	}
}

func TestCanarySings(t *testing.T) {
	c := newCanary(t)
	if err := c.touched(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(c.path); err != nil {
		t.Fatal(err)
	}
	if c.touched() == nil {
		t.Error("the canary file was read, and nobody noticed")
	}
	conn, err := net.Dial("tcp4", c.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for deadline := time.Now().Add(10 * time.Second); c.touched() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the canary's server was called, and nobody noticed")
		}
	}
}
