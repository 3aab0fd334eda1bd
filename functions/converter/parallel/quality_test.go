package parallel_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/mp3/mp3test"
	"mp3converter/functions/converter/parallel"
)

// all selects the whole matrix: `CONVERSION=all go test`.
var all = os.Getenv("CONVERSION") == "all"

type qualityCase struct {
	sound  string
	params parallel.Params
}

func (c qualityCase) String() string {
	p := c.params
	rate := fmt.Sprintf("%dk", p.Bitrate/1000)
	if p.Bitrate == 0 {
		rate = fmt.Sprintf("V%v", p.Quality)
	}
	return fmt.Sprintf("%s/%dHz/%dch/%s%s", c.sound, p.SampleRate, p.Channels, rate, fmt.Sprint(p.Args))
}

func qualityCases() []qualityCase {
	var out []qualityCase
	type mode struct {
		channels int
		args     []string
	}
	for s, sound := range []string{"noise", "speech", "music", "transients", "silence"} {
		for r, rate := range []int{44100, 48000, 22050} {
			for m, mode := range []mode{{2, nil}, {1, nil}, {2, []string{"-joint_stereo", "0"}}} {
				for q, quality := range []parallel.Params{
					{Bitrate: 128_000}, {Quality: 2}, {Bitrate: 64_000}, {Bitrate: 192_000},
					{Bitrate: 320_000}, {Quality: 0}, {Quality: 5},
				} {
					p := quality
					p.SampleRate, p.Channels, p.Format, p.Args = rate, mode.channels, "f32le", mode.args
					if p.Bitrate > 160_000 && rate < 32000 {
						continue // above the highest bitrate of MPEG-2
					}
					// Without CONVERSION=all: every sound, constant and variable bitrate, all sample rates.
					if all || q < 2 && m == q && (r+s)%3 == q {
						out = append(out, qualityCase{sound, p})
					}
				}
			}
		}
	}
	return out
}

// TestSplicePointsAreInaudible splices every few seconds, and compares the error with
// that of one encoder for the same PCM.
func TestSplicePointsAreInaudible(t *testing.T) {
	for _, tc := range qualityCases() {
		t.Run(tc.String(), func(t *testing.T) {
			p := tc.params
			seconds := 10
			if all {
				seconds = 20
			}
			source := signals[tc.sound](p.SampleRate, p.Channels, seconds*p.SampleRate+777)
			pcm := f32le(source)
			// Progress is called at every splice point.
			var splicePoints []int
			cfg := parallel.Config{Workers: 2, Progress: func(n int64) { splicePoints = append(splicePoints, int(n)) }}.WithChunkFrames(2 * parallel.PaddingPeriod)
			data, result := encodeParallel(t, cfg, p, bytes.NewReader(pcm))
			alone := encodeSerial(t, p, pcm)

			checkFile(t, data, result, len(source[0]))
			got := audioFrames(t, data)
			checkReservoir(t, got)
			if want := audioFrames(t, alone); len(got) != len(want) {
				t.Fatalf("%d frames, one encoder makes %d", len(got), len(want))
			}
			if splicePoints = splicePoints[:len(splicePoints)-1]; len(splicePoints) < 2 {
				t.Fatalf("only %d splice points", len(splicePoints))
			}
			ref := floats(pcm)
			// The serial file's length is not checked: ffmpeg 5.1 cannot write a padding
			// longer than the last frame.
			decodedPCM := decode(t, data)
			if len(decodedPCM) != len(ref) {
				t.Errorf("decoded %d samples, the source has %d", len(decodedPCM)/p.Channels, len(source[0]))
			}
			windows := newErrorEnergy(p, ref, decodedPCM)
			// The fill of the reservoir differs, so every window differs a little. The
			// means must agree. The worst window may by chance be at a splice point, so
			// its limit is wider.
			windows.compare(t, newErrorEnergy(p, ref, decode(t, alone)), splicePoints, 0.2, 1.5)
		})
	}
}

// checkFile compares the file with its Xing frame, the result and the source.
func checkFile(t *testing.T, data []byte, r parallel.Result, samples int) {
	t.Helper()
	info, err := mp3.Inspect(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	scan, err := mp3test.Scan(data)
	if err != nil {
		t.Fatal(err)
	}
	if info.Samples() != int64(samples) || r.Samples != int64(samples) {
		t.Errorf("the Xing frame says %d samples, the result %d; the source has %d", info.Samples(), r.Samples, samples)
	}
	if scan.Frames != info.Frames || scan.Bytes != info.Bytes || scan.Junk != 0 || r.Bytes != int64(len(data)) {
		t.Errorf("%d frames and %d bytes (%d of junk), header says %d and %d", scan.Frames, scan.Bytes, scan.Junk, info.Frames, info.Bytes)
	}
	if !info.Xing.CRCValid || info.Xing.MusicCRC != scan.MusicCRC {
		t.Errorf("header CRC valid: %t; music CRC %04x, header says %04x", info.Xing.CRCValid, scan.MusicCRC, info.Xing.MusicCRC)
	}
}

// errorEnergy is the energy of the coding error in each window of half a frame.
type errorEnergy struct {
	window int // samples of one channel
	energy []float64
}

func newErrorEnergy(p parallel.Params, ref, got []float32) errorEnergy {
	e := errorEnergy{window: 576}
	step := e.window * p.Channels
	for at := 0; at+step <= min(len(ref), len(got)); at += step {
		var sum float64
		for i := at; i < at+step; i++ {
			d := float64(ref[i]) - float64(got[i])
			sum += d * d
		}
		// A floor at -100 dB: below it everything is silence.
		e.energy = append(e.energy, sum/float64(step)+1e-10)
	}
	return e
}

// compare computes by how many dB the error of each window exceeds that of another
// encode. It fails if this excess is larger around splice points than elsewhere, by
// more than maxMean on average or by more than maxWorst in the worst window.
func (e errorEnergy) compare(t *testing.T, other errorEnergy, splicePoints []int, maxMean, maxWorst float64) {
	t.Helper()
	atSplice := make([]bool, len(e.energy))
	for _, point := range splicePoints {
		// The encoder's and decoder's delays spread a splice point over two frames.
		for w := point/e.window - 4; w <= point/e.window+4; w++ {
			atSplice[w] = true
		}
	}
	var near, far []float64
	for w := range min(len(e.energy), len(other.energy)) {
		excess := 10 * math.Log10(e.energy[w]/other.energy[w])
		if atSplice[w] {
			near = append(near, excess)
		} else {
			far = append(far, excess)
		}
	}
	t.Logf("splice points %+.2f dB on average, %+.2f dB at worst; elsewhere %+.2f, %+.2f", mean(near), slices.Max(near), mean(far), slices.Max(far))
	slices.Sort(near)
	slices.Sort(far)
	if n, f := near[len(near)-1], far[len(far)-1]; n > f+maxWorst {
		t.Errorf("the worst splice point has %.2f dB more error than one encoder, elsewhere it is %.2f dB at most", n, f)
	}
	if n, f := mean(near), mean(far); n > f+maxMean {
		t.Errorf("splice points have %.2f dB more error than one encoder on average, elsewhere it is %.2f dB", n, f)
	}
}

func mean(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
