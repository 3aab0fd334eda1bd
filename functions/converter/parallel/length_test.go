package parallel_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/functions/converter/parallel"
)

// TestEveryLengthIsExact tries the lengths around frame and piece boundaries,
// where the last piece is tiny or the one before only just is the last.
func TestEveryLengthIsExact(t *testing.T) {
	const spf, pieces = 1152, parallel.Period
	first := 3 * pieces * spf // samples in the first chunk: what it shares is two periods long
	lengths := []int{
		1, 575, 576, 577, 1151, 1152, 1153,
		first - 3*spf, first - 1, first, first + 1, first + spf, first + 3*spf + 1,
		first + pieces*spf - 1, first + pieces*spf, first + pieces*spf + 1, first + (pieces+3)*spf + 1,
	}
	p := parallel.Params{SampleRate: 44100, Channels: 2, Format: "f32le", Bitrate: 64_000}
	whole := f32le(music(p.SampleRate, p.Channels, lengths[len(lengths)-1]))
	for _, n := range lengths {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			pcm := whole[:n*8]
			data, result := spliced(t, parallel.Config{Workers: 2, Piece: pieces}, p, bytes.NewReader(pcm))
			checkFile(t, data, result, n)
			if got := len(decoded(t, data)) / p.Channels; got != n {
				t.Errorf("plays %d samples, want %d", got, n)
			}
			if got, want := musicFrames(t, data), musicFrames(t, serial(t, p, pcm)); len(got) != len(want) {
				t.Errorf("%d frames, one encoder makes %d", len(got), len(want))
			}
		})
	}
}

// TestFormatsAndReaders feeds every PCM format in small and in large reads.
func TestFormatsAndReaders(t *testing.T) {
	for format, size := range map[string]int{"s16le": 2, "s32le": 4, "f32le": 4} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			p := parallel.Params{SampleRate: 32000, Channels: 1, Format: format, Quality: 4}
			pcm := make([]byte, 200_001*size)
			cfg := parallel.Config{Workers: 3, Piece: parallel.Period}
			data, result := spliced(t, cfg, p, iotest.HalfReader(bytes.NewReader(pcm)))
			checkFile(t, data, result, 200_001)
		})
	}
}

func TestProgressGrowsToTheEnd(t *testing.T) {
	p := parallel.Params{SampleRate: 8000, Channels: 1, Format: "s16le", Bitrate: 16_000}
	var seen []int64
	cfg := parallel.Config{Workers: 2, Piece: parallel.Period, Progress: func(n int64) { seen = append(seen, n) }}
	_, result := spliced(t, cfg, p, bytes.NewReader(make([]byte, 2*300_000)))
	if len(seen) != result.Pieces {
		t.Fatalf("told %d times of %d pieces", len(seen), result.Pieces)
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] <= seen[i-1] {
			t.Errorf("progress went from %d to %d", seen[i-1], seen[i])
		}
	}
	if end := seen[len(seen)-1]; end < result.Samples {
		t.Errorf("the last word was %d of %d samples", end, result.Samples)
	}
}

func TestWorkersFor(t *testing.T) {
	for _, tc := range []struct {
		length      time.Duration
		cores, want int
	}{
		{0, 8, 1},
		{3 * time.Minute, 8, 1},
		{6 * time.Minute, 8, 2},
		{time.Hour, 1, 1},
		{time.Hour, 2, 2},
		{time.Hour, 0, 1},
		{10 * time.Minute, 8, 4},
	} {
		if got := parallel.WorkersFor(tc.length, tc.cores); got != tc.want {
			t.Errorf("%v on %d cores: %d, want %d", tc.length, tc.cores, got, tc.want)
		}
	}
}
