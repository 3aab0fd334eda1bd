package parallel_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/functions/converter/mp3/mp3test"
	"mp3converter/functions/converter/parallel"
)

// TestLengthIsExact tries lengths around the boundaries of frames and chunks, where the
// last segment is tiny or just not needed.
func TestLengthIsExact(t *testing.T) {
	const spf, chunkFrames = 1152, parallel.PaddingPeriod
	first := 3 * chunkFrames * spf // samples in the first chunk: the shared frames are two periods
	lengths := []int{
		1, 575, 576, 577, 1151, 1152, 1153,
		first - 3*spf, first - 1, first, first + 1, first + spf, first + 3*spf + 1,
		first + chunkFrames*spf - 1, first + chunkFrames*spf, first + chunkFrames*spf + 1, first + (chunkFrames+3)*spf + 1,
	}
	p := parallel.Params{SampleRate: 44100, Channels: 2, Format: "f32le", Bitrate: 64_000}
	whole := f32le(music(p.SampleRate, p.Channels, lengths[len(lengths)-1]))
	for _, n := range lengths {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			pcm := whole[:n*8]
			data, result := encodeParallel(t, parallel.Config{Workers: 2}.WithChunkFrames(chunkFrames), p, bytes.NewReader(pcm))
			checkFile(t, data, result, n)
			if got := len(decode(t, data)) / p.Channels; got != n {
				t.Errorf("decoded %d samples, want %d", got, n)
			}
			if got, want := audioFrames(t, data), audioFrames(t, encodeSerial(t, p, pcm)); len(got) != len(want) {
				t.Errorf("%d frames, one encoder makes %d", len(got), len(want))
			}
		})
	}
}

// TestFormats encodes every PCM format, from a reader that returns short reads.
func TestFormats(t *testing.T) {
	for format, size := range map[string]int{"s16le": 2, "s32le": 4, "f32le": 4} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			p := parallel.Params{SampleRate: 32000, Channels: 1, Format: format, Quality: 4}
			pcm := make([]byte, 200_001*size)
			cfg := parallel.Config{Workers: 3}.WithChunkFrames(parallel.PaddingPeriod)
			data, result := encodeParallel(t, cfg, p, iotest.HalfReader(bytes.NewReader(pcm)))
			checkFile(t, data, result, 200_001)
		})
	}
}

// The Xing frame of a variable bitrate names the lowest: here silence follows noise.
func TestLowestBitrate(t *testing.T) {
	p := parallel.Params{SampleRate: 32000, Channels: 1, Format: "f32le", Quality: 2}
	pcm := append(f32le(noise(p.SampleRate, 1, 200_000)), make([]byte, 4*200_000)...)
	data, result := encodeParallel(t, parallel.Config{Workers: 2}.WithChunkFrames(parallel.PaddingPeriod), p, bytes.NewReader(pcm))
	scan, err := mp3test.Scan(data)
	if err != nil {
		t.Fatal(err)
	}
	if scan.MinBitrate >= scan.MaxBitrate || result.Xing.Bitrate != scan.MinBitrate {
		t.Errorf("lowest bitrate is %d in the Xing frame; frames have %d to %d", result.Xing.Bitrate, scan.MinBitrate, scan.MaxBitrate)
	}
}

func TestProgress(t *testing.T) {
	p := parallel.Params{SampleRate: 8000, Channels: 1, Format: "s16le", Bitrate: 16_000}
	var seen []int64
	cfg := parallel.Config{Workers: 2, Progress: func(n int64) { seen = append(seen, n) }}.WithChunkFrames(parallel.PaddingPeriod)
	_, result := encodeParallel(t, cfg, p, bytes.NewReader(make([]byte, 2*300_000)))
	if len(seen) != result.Segments {
		t.Fatalf("%d calls for %d segments", len(seen), result.Segments)
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] <= seen[i-1] {
			t.Errorf("progress went from %d to %d", seen[i-1], seen[i])
		}
	}
	if end := seen[len(seen)-1]; end < result.Samples {
		t.Errorf("the last call reported %d of %d samples", end, result.Samples)
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
