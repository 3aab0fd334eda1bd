package parallel_test

import (
	"bytes"
	"testing"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/parallel"
)

// checkReservoir holds the frames of a file to what every decoder takes for
// granted: the audio data of a frame lie in its own data area and in those in front
// of it, behind the data of the frame before.
func checkReservoir(t *testing.T, frames [][]byte) {
	t.Helper()
	areas, end := 0, 0 // in the stream of all data areas
	for i, frame := range frames {
		h, err := mp3.ParseHeader(frame)
		if err != nil {
			t.Fatal(err)
		}
		side, err := mp3.ParseSide(h, frame)
		if err != nil {
			t.Fatal(err)
		}
		begin := areas - side.MainDataBegin
		if begin < end {
			t.Errorf("frame %d begins %d bytes before the end of the one before", i, end-begin)
		}
		areas += len(frame) - h.DataOffset()
		end = begin + (side.MainDataBits+7)/8
		if end > areas {
			t.Errorf("frame %d ends %d bytes behind its slot", i, end-areas)
		}
	}
}

// TestTightJointsAreWidened takes a sound for which some frames at the joints have
// to be larger than the bitrate says, and shows the file to a decoder that does not
// forgive.
func TestTightJointsAreWidened(t *testing.T) {
	p := parallel.Params{SampleRate: 48000, Channels: 2, Format: "f32le", Bitrate: 128_000}
	source := transients(p.SampleRate, p.Channels, 40*p.SampleRate)
	data, result := spliced(t, parallel.Config{Workers: 2, Piece: parallel.Period}, p, bytes.NewReader(f32le(source)))
	checkFile(t, data, result, len(source[0]))
	frames := musicFrames(t, data)
	checkReservoir(t, frames)
	wide := 0
	for _, frame := range frames {
		if h, err := mp3.ParseHeader(frame); err != nil || h.Bitrate != p.Bitrate {
			wide++
		}
	}
	if wide == 0 || wide >= result.Pieces {
		t.Errorf("%d frames of %d pieces are wider than the bitrate says: this is not the sound for this test", wide, result.Pieces)
	}
	if got := len(decoded(t, data)) / p.Channels; got != len(source[0]) {
		t.Errorf("plays %d samples, want %d", got, len(source[0]))
	}
}
