package sandbox

import (
	"strings"
	"sync"
)

// tailSize is how much of a program's log is kept. The reason for a failure is at its
// end.
const tailSize = 2 << 10

// Tail is an io.Writer that keeps the last 2 KiB, for the standard error of a program.
// It is safe for concurrent use. The zero value is ready to use.
type Tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-tailSize):]...)
	if excess := len(t.buf) - tailSize; excess > 0 {
		t.buf = append(t.buf[:0], t.buf[excess:]...)
	}
	return len(p), nil
}

// String returns the text without surrounding space. Invalid UTF-8 is replaced by "?".
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(t.buf), "?"))
}
