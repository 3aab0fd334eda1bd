package parallel_test

import (
	"bytes"
	"testing"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/parallel"
)

// checkReservoir checks what every decoder relies on: the main data of a frame lies in
// its own data area and earlier ones, after the main data of the frame before.
func checkReservoir(t *testing.T, frames [][]byte) {
	t.Helper()
	areas, end := 0, 0 // in the stream of all data areas
	for i, frame := range frames {
		h, err := mp3.ParseHeader(frame)
		if err != nil {
			t.Fatal(err)
		}
		side, err := mp3.ParseSideInfo(h, frame)
		if err != nil {
			t.Fatal(err)
		}
		begin := areas - side.MainDataBegin
		if begin < end {
			t.Errorf("main data of frame %d begin %d bytes before the end of the previous frame's", i, end-begin)
		}
		areas += len(frame) - h.DataOffset()
		end = begin + (side.MainDataBits+7)/8
		if end > areas {
			t.Errorf("main data of frame %d end %d bytes after its data area", i, end-areas)
		}
	}
}

// TestEnlargedFrames encodes a sound for which some frames at splice points must be
// larger than the bitrate says. A strict decoder must accept the file.
func TestEnlargedFrames(t *testing.T) {
	p := parallel.Params{SampleRate: 48000, Channels: 2, Format: "f32le", Bitrate: 128_000}
	source := transients(p.SampleRate, p.Channels, 40*p.SampleRate)
	data, result := encodeParallel(t, parallel.Config{Workers: 2}.WithChunkFrames(parallel.PaddingPeriod), p, bytes.NewReader(f32le(source)))
	checkFile(t, data, result, len(source[0]))
	frames := audioFrames(t, data)
	checkReservoir(t, frames)
	enlarged := 0
	for _, frame := range frames {
		if h, err := mp3.ParseHeader(frame); err != nil || h.Bitrate != p.Bitrate {
			enlarged++
		}
	}
	if enlarged == 0 || enlarged >= result.Segments {
		t.Errorf("%d frames of %d segments are enlarged: the test needs another sound", enlarged, result.Segments)
	}
	if got := len(decode(t, data)) / p.Channels; got != len(source[0]) {
		t.Errorf("decoded %d samples, want %d", got, len(source[0]))
	}
}
