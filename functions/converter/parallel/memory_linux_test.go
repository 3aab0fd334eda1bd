package parallel_test

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"mp3converter/functions/converter/parallel"
)

// Encode returns the memory of its buffers, also if it fails.
func TestBuffersAreReleased(t *testing.T) {
	config := parallel.Config{Command: ffmpegCommand(t)}
	second := make([]byte, stereo.SampleRate*8)
	encode := func() {
		if _, err := parallel.Encode(t.Context(), config, stereo, bytes.NewReader(second), outputFile(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := parallel.Encode(t.Context(), config, stereo, bytes.NewReader(second[1:]), outputFile(t)); !errors.Is(err, parallel.ErrIncomplete) {
			t.Fatalf("%v, want ErrIncomplete", err)
		}
	}
	encode() // what is allocated once
	const rounds, buffer = 4, 40 << 20
	before := privateMemory(t)
	for range rounds {
		encode()
	}
	if grown := privateMemory(t) - before; grown > rounds*buffer {
		t.Errorf("memory has grown by %d MiB, as if the buffers of %d calls were kept", grown>>20, 2*rounds)
	}
}

// privateMemory returns the size of the private mappings of this process, in bytes.
func privateMemory(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmData:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
