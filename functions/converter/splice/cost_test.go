package splice_test

import (
	"math"
	"slices"
	"testing"

	"mp3converter/functions/converter/splice"
)

// BenchmarkReservoir measures what doing without bit reservoir costs: decibels
// of signal to noise lost over all and in the worst twentieth of the frames, and
// the size of the file against that with reservoir.
//
//	go test -run '^$' -bench Reservoir -benchtime 1x ./functions/converter/splice
func BenchmarkReservoir(b *testing.B) {
	for _, sound := range []string{"noise", "speech", "music", "transients"} {
		for _, q := range []splice.Params{{Bitrate: 64_000}, {Bitrate: 128_000}, {Bitrate: 192_000}, {Bitrate: 320_000}, {Quality: 0}, {Quality: 2}, {Quality: 5}} {
			q.SampleRate, q.Channels, q.Format = 44100, 2, "f32le"
			b.Run(jointCase{sound, q}.String(), func(b *testing.B) {
				pcm := f32le(signals[sound](q.SampleRate, q.Channels, 20*q.SampleRate))
				for b.Loop() {
					with, without := serial(b, q, pcm), serial(b, q, pcm, "-reservoir", "0")
					meanWith, worstWith := signalToNoise(floats(pcm), decoded(b, with))
					meanWithout, worstWithout := signalToNoise(floats(pcm), decoded(b, without))
					b.ReportMetric(meanWith, "dB")
					b.ReportMetric(meanWith-meanWithout, "dB-lost")
					b.ReportMetric(worstWith-worstWithout, "dB-lost-worst")
					b.ReportMetric(float64(len(without))/float64(len(with)), "x-bytes")
				}
			})
		}
	}
}

// signalToNoise is in dB, over all and for the worst twentieth of the frames
// that are not silent.
func signalToNoise(ref, got []float32) (whole, worst float64) {
	const step = 2 * 1152
	var signal, noise float64
	var frames []float64
	for at := 0; at+step <= min(len(ref), len(got)); at += step {
		var s, n float64
		for i := at; i < at+step; i++ {
			d := float64(ref[i]) - float64(got[i])
			s += float64(ref[i]) * float64(ref[i])
			n += d * d
		}
		signal, noise = signal+s, noise+n
		if s > 1e-3 {
			frames = append(frames, 10*math.Log10(s/n))
		}
	}
	slices.Sort(frames)
	return 10 * math.Log10(signal/noise), frames[len(frames)/20]
}
