package parallel_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// signal generates n samples of each channel.
type signal func(rate, channels int, n int) [][]float64

// signals are the sounds that are encoded.
var signals = map[string]signal{
	"noise":      noise,
	"speech":     speech,
	"music":      music,
	"transients": transients,
	"silence":    silence,
}

func channelsOf(channels, n int) [][]float64 {
	out := make([][]float64, channels)
	for c := range out {
		out[c] = make([]float64, n)
	}
	return out
}

func random(c int) *rand.Rand { return rand.New(rand.NewPCG(1, uint64(c))) }

// noise is white, at -14 dB, different in each channel.
func noise(rate, channels, n int) [][]float64 {
	out := channelsOf(channels, n)
	for c := range out {
		rng := random(c)
		for i := range out[c] {
			out[c][i] = 0.2 * rng.NormFloat64()
		}
	}
	return out
}

// speech is a pulse train of changing pitch through three formant filters, in
// syllables with pauses, a little of it moved to one side.
func speech(rate, channels, n int) [][]float64 {
	out := channelsOf(channels, n)
	rng := random(7)
	type formant struct{ y1, y2 float64 }
	var f [3]formant
	vowels := [][3]float64{{730, 1090, 2440}, {270, 2290, 3010}, {300, 870, 2240}, {530, 1840, 2480}, {570, 840, 2410}}
	vowel, phase := vowels[0], 0.0
	syllable := rate / 4
	for i := range n {
		if i%syllable == 0 {
			vowel = vowels[rng.IntN(len(vowels))]
		}
		at := float64(i%syllable) / float64(syllable)
		t := float64(i) / float64(rate)
		loud := math.Sin(math.Pi * math.Min(at/0.8, 1))
		if (i/syllable)%9 == 8 {
			loud = 0 // a pause for breath
		}
		phase += (120 + 30*math.Sin(1.3*t) + 10*math.Sin(7*t)) / float64(rate)
		x := 0.02 * rng.NormFloat64()
		if phase >= 1 {
			phase--
			x += 1
		}
		x *= loud
		var sum float64
		for k := range f {
			r := math.Exp(-math.Pi * 90 / float64(rate))
			y := x + 2*r*math.Cos(2*math.Pi*vowel[k]/float64(rate))*f[k].y1 - r*r*f[k].y2
			f[k].y1, f[k].y2 = y, f[k].y1
			sum += y / float64(1+k)
		}
		for c := range out {
			out[c][i] = 0.05 * sum * (1 - 0.2*float64(c))
		}
	}
	return out
}

// music is a chord of decaying harmonics every half second, spread in stereo.
func music(rate, channels, n int) [][]float64 {
	out := channelsOf(channels, n)
	rng := random(3)
	beat := rate / 2
	var notes [4]float64
	for i := range n {
		if i%beat == 0 {
			for k := range notes {
				notes[k] = 110 * math.Pow(2, float64(rng.IntN(36))/12)
			}
		}
		t := float64(i%beat) / float64(rate)
		attack := math.Min(t*200, 1)
		for k, hz := range notes {
			var x float64
			for h := 1.0; h <= 8 && h*hz < float64(rate)*0.45; h++ {
				x += math.Sin(2*math.Pi*hz*h*t) * math.Exp(-t*(2+h)) / h
			}
			for c := range out {
				pan := 0.5 + 0.4*float64(2*c-1)*float64(k-1)/2
				out[c][i] += 0.12 * attack * x * pan
			}
		}
	}
	return out
}

// transients are clicks at random times over very soft noise.
func transients(rate, channels, n int) [][]float64 {
	out := channelsOf(channels, n)
	rng := random(9)
	next, level := rate/10, 0.0
	for i := range n {
		if i == next {
			level = 0.9
			next += rate/20 + rng.IntN(rate/4)
		}
		for c := range out {
			out[c][i] = level*(rng.Float64()*2-1) + 0.0005*rng.NormFloat64()
		}
		level *= math.Exp(-1 / (0.002 * float64(rate)))
	}
	return out
}

func silence(_, channels, n int) [][]float64 { return channelsOf(channels, n) }

// f32le interleaves channels into the PCM that decoders put out.
func f32le(s [][]float64) []byte {
	out := make([]byte, 0, len(s)*len(s[0])*4)
	for i := range s[0] {
		for c := range s {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(s[c][i])))
		}
	}
	return out
}
