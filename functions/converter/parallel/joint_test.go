package parallel_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/parallel"
)

// all turns on the whole matrix: `CONVERSION=all go test`.
var all = os.Getenv("CONVERSION") == "all"

type jointCase struct {
	sound  string
	params parallel.Params
}

func (c jointCase) String() string {
	p := c.params
	rate := fmt.Sprintf("%dk", p.Bitrate/1000)
	if p.Bitrate == 0 {
		rate = fmt.Sprintf("V%v", p.Quality)
	}
	return fmt.Sprintf("%s/%dHz/%dch/%s%s", c.sound, p.SampleRate, p.Channels, rate, fmt.Sprint(p.Args))
}

func jointCases() []jointCase {
	var out []jointCase
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
						continue // MPEG-2 ends there
					}
					// The fast subset: every sound, constant and variable, all rates.
					if all || q < 2 && m == q && (r+s)%3 == q {
						out = append(out, jointCase{sound, p})
					}
				}
			}
		}
	}
	return out
}

// TestJointsCannotBeHeard cuts every few seconds, and compares with one
// encoder's work on the same PCM.
func TestJointsCannotBeHeard(t *testing.T) {
	for _, tc := range jointCases() {
		t.Run(tc.String(), func(t *testing.T) {
			p := tc.params
			seconds := 10
			if all {
				seconds = 20
			}
			source := signals[tc.sound](p.SampleRate, p.Channels, seconds*p.SampleRate+777)
			pcm := f32le(source)
			// After every piece Progress hears how much is written.
			var joints []int
			cfg := parallel.Config{Workers: 2, Piece: 2 * parallel.Period, Progress: func(n int64) { joints = append(joints, int(n)) }}
			data, result := spliced(t, cfg, p, bytes.NewReader(pcm))
			alone := serial(t, p, pcm)

			checkFile(t, data, result, len(source[0]))
			got := musicFrames(t, data)
			checkReservoir(t, got)
			if want := musicFrames(t, alone); len(got) != len(want) {
				t.Fatalf("%d frames, one encoder makes %d", len(got), len(want))
			}
			if joints = joints[:len(joints)-1]; len(joints) < 2 {
				t.Fatalf("only %d joints", len(joints))
			}
			ref := floats(pcm)
			// The others' lengths are not held to this: ffmpeg 5.1 cannot write a
			// padding that reaches over the last frame into the one before.
			played := decoded(t, data)
			if len(played) != len(ref) {
				t.Errorf("plays %d samples, the source has %d", len(played)/p.Channels, len(source[0]))
			}
			mine := newErrors(p, ref, played)
			// How full the reservoir is differs, and so every window a little. Of a
			// few windows and of many the means must agree; the worst of the few may
			// by chance be the worst of all.
			mine.compare(t, newErrors(p, ref, decoded(t, alone)), joints, 0.2, 1.5)
		})
	}
}

// checkFile holds the file to what its Info frame says and to the source.
func checkFile(t *testing.T, data []byte, r parallel.Result, samples int) {
	t.Helper()
	info, err := mp3.Inspect(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	scan, err := mp3.Scan(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if info.Samples() != int64(samples) || r.Samples != int64(samples) {
		t.Errorf("header says %d samples, result %d; the source has %d", info.Samples(), r.Samples, samples)
	}
	if scan.Frames != info.Frames || scan.Bytes != info.Bytes || scan.Junk != 0 || r.Bytes != int64(len(data)) {
		t.Errorf("%d frames and %d bytes (%d of junk), header says %d and %d", scan.Frames, scan.Bytes, scan.Junk, info.Frames, info.Bytes)
	}
	if !info.Tag.CRCValid || info.Tag.MusicCRC != scan.MusicCRC {
		t.Errorf("header CRC valid: %t; music CRC %04x, header says %04x", info.Tag.CRCValid, scan.MusicCRC, info.Tag.MusicCRC)
	}
}

// errorsOf is the energy of the error, in windows of half a frame.
type errorsOf struct {
	window int // samples of one channel
	energy []float64
}

func newErrors(p parallel.Params, ref, got []float32) errorsOf {
	e := errorsOf{window: 576}
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

// compare fails if the error around the joints, against the same places in
// another encode, is larger than it is elsewhere against that encode: by more
// than so many dB on average or at worst.
func (e errorsOf) compare(t *testing.T, other errorsOf, joints []int, average, worst float64) {
	t.Helper()
	atJoint := make([]bool, len(e.energy))
	for _, j := range joints {
		// The encoder's and decoder's delays smear a joint over two frames.
		for w := j/e.window - 4; w <= j/e.window+4; w++ {
			atJoint[w] = true
		}
	}
	var near, far []float64
	for w := range min(len(e.energy), len(other.energy)) {
		excess := 10 * math.Log10(e.energy[w]/other.energy[w])
		if atJoint[w] {
			near = append(near, excess)
		} else {
			far = append(far, excess)
		}
	}
	t.Logf("joints %+.2f dB on average, %+.2f dB at worst; elsewhere %+.2f, %+.2f", mean(near), slices.Max(near), mean(far), slices.Max(far))
	slices.Sort(near)
	slices.Sort(far)
	if n, f := near[len(near)-1], far[len(far)-1]; n > f+worst {
		t.Errorf("the worst joint has %.2f dB more error than one encoder, elsewhere it is %.2f dB at most", n, f)
	}
	if n, f := mean(near), mean(far); n > f+average {
		t.Errorf("joints have %.2f dB more error than one encoder on average, elsewhere it is %.2f dB", n, f)
	}
}

func mean(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
