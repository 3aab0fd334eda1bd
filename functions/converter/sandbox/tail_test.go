package sandbox_test

import (
	"strings"
	"sync"
	"testing"

	"mp3converter/functions/converter/sandbox"
)

func TestTail(t *testing.T) {
	const size = 2 << 10
	for _, c := range []struct {
		name   string
		writes []string
		want   string
	}{
		{"nothing", nil, ""},
		{"short", []string{"one\n", "two\n"}, "one\ntwo"},
		{"full", []string{strings.Repeat("a", size)}, strings.Repeat("a", size)},
		{"long write", []string{"lost", strings.Repeat("a", size+1) + "end"}, strings.Repeat("a", size-3) + "end"},
		{"many writes", []string{"lost", strings.Repeat("a", size-1), "b", "c"}, strings.Repeat("a", size-2) + "bc"},
		{"half a character", []string{"é" + strings.Repeat("a", size-1)}, "?" + strings.Repeat("a", size-1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tail sandbox.Tail
			for _, w := range c.writes {
				if n, err := tail.Write([]byte(w)); n != len(w) || err != nil {
					t.Errorf("Write of %d bytes: %d, %v", len(w), n, err)
				}
			}
			if got := tail.String(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTailConcurrentWrites(t *testing.T) {
	var tail sandbox.Tail
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 32 {
				tail.Write([]byte("12345678"))
			}
		})
	}
	wg.Wait()
	if got := tail.String(); got != strings.Repeat("12345678", 8*32) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
