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

// secret occurs only in the canary file.
const secret = "CANARY-7f3a9c51e8"

// canary is a file outside the converter's directories and a server, neither of which
// a hostile file may access. The file is valid audio and contains the secret. Both
// record accesses.
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

// touched returns an error that describes the accesses since the last call, or nil.
func (c *canary) touched() error {
	if n := c.calls.Swap(0); n > 0 {
		return fmt.Errorf("the canary's server received %d connections", n)
	}
	events := make([]byte, 4096)
	switch n, err := unix.Read(c.watch, events); {
	case errors.Is(err, unix.EAGAIN):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("the canary file was accessed: %d bytes of events", n)
	}
}

func TestCanaryDetectsAccess(t *testing.T) {
	c := newCanary(t)
	if err := c.touched(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(c.path); err != nil {
		t.Fatal(err)
	}
	if c.touched() == nil {
		t.Error("a read of the canary file was not detected")
	}
	conn, err := net.Dial("tcp4", c.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for deadline := time.Now().Add(10 * time.Second); c.touched() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a connection to the canary's server was not detected")
		}
	}
}
