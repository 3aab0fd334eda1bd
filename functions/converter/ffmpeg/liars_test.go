package ffmpeg

import (
	"errors"
	"math"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

// lengthOf returns the length of an MP3, in seconds.
func lengthOf(t testing.TB, path string) float64 {
	t.Helper()
	info := inspect(t, path)
	if !info.HasXing {
		t.Fatal("the MP3 has no Xing header")
	}
	return info.Duration().Seconds()
}

// The sound decides how long a complete file is, not its header: in every way of
// converting it, with and without salvage.
func TestHeadersThatLie(t *testing.T) {
	c := newConverter(t, func(cfg *Config) { cfg.MaxDuration = 12 * time.Hour })
	for name, file := range liars(t) {
		for _, way := range []struct {
			name    string
			options conversion.Options
			cores   int
			served  bool
		}{
			{name: "quick", cores: 1},
			{name: "planned", cores: 1, options: conversion.Options{Bitrate: 128}, served: true},
			{name: "parallel", cores: 3, options: conversion.Options{Bitrate: 128}},
			{name: "normalized", cores: 1, options: conversion.Options{Normalize: true}},
			{name: "salvage", cores: 3, options: conversion.Options{Salvage: true}},
		} {
			if (way.name == "planned" || way.name == "normalized") && !long {
				continue // salvage is planned too
			}
			t.Run(name+"/"+way.name, func(t *testing.T) {
				t.Parallel()
				in := fileInput(t, writeVideo(t, file.content))
				if way.served {
					in = servedInput(in)
				}
				r := newRun(t, c, in, way.options)
				r.cores = way.cores
				if err := r.convert(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := lengthOf(t, r.out); math.Abs(got-file.seconds) > 0.1 {
					t.Errorf("MP3 of %.3f s, want %.3f", got, file.seconds)
				}
				if got := r.mediaInfo.Duration.Seconds(); math.Abs(got-file.seconds) > 0.25 || r.mediaInfo.Missing != 0 {
					t.Errorf("the source has %.3f s and %v missing, want %.3f s", got, r.mediaInfo.Missing, file.seconds)
				}
			})
		}
	}
}

// What a header claims does not hide that there is more sound than allowed.
func TestLiarsAreTooLong(t *testing.T) {
	c := newConverter(t, func(cfg *Config) { cfg.MaxDuration = 3 * time.Second })
	for name, content := range map[string][]byte{
		"says too much":   fragmentedMP4{seconds: 5, header: 39 * 3600 * amrRate}.bytes(),
		"says too little": threeGP(300, amrFrame/6),
		"says the truth":  threeGP(300, amrFrame),
	} {
		for _, o := range []conversion.Options{{}, {Salvage: true}, {Normalize: true}} {
			if _, _, err := convertInput(t, c, fileInput(t, writeVideo(t, content)), o); !errors.Is(err, conversion.TooLong) {
				t.Errorf("%s, %+v: error %v, want too_long", name, o, err)
			}
		}
	}
}

// The part that was asked for exists if the sound reaches it.
func TestPartsOfLiars(t *testing.T) {
	short := writeVideo(t, flac(8000, 1, 16, 8000, 30)) // 245 s, says 1 s
	long := writeVideo(t, threeGP(400, amrFrame*8))     // 8 s, says 64 s
	for _, c := range []struct {
		name, path string
		options    conversion.Options
		seconds    float64
		want       error
	}{
		{"begins after the announced end", short, conversion.Options{Start: 200}, 30*65535/8000.0 - 200, nil},
		{"ends after the announced end", short, conversion.Options{Start: 100, End: 104}, 4, nil},
		{"begins after the sound", long, conversion.Options{Start: 70}, 0, conversion.OutOfRange},
		{"ends after the sound", long, conversion.Options{End: 80}, 8, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, out, err := convertFile(t, c.path, c.options)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if c.want == nil {
				if got := lengthOf(t, out); math.Abs(got-c.seconds) > 0.1 {
					t.Errorf("MP3 of %.3f s, want %.3f", got, c.seconds)
				}
			}
		})
	}
}

// An announced length does not shorten or lengthen the limits.
func TestLimitsDoNotDependOnTheHeader(t *testing.T) {
	r := &conversionRun{Config: Config{MaxTime: 110 * time.Minute, MaxDuration: 12 * time.Hour}}
	for _, c := range []struct{ estimate, done, want time.Duration }{
		{0, 0, 2 * time.Minute},
		{time.Second, 0, 2 * time.Minute},
		{39 * time.Hour, 0, 11 * time.Minute},
		{time.Second, time.Hour, 61 * time.Minute},
		{time.Second, 12 * time.Hour, 110 * time.Minute},
	} {
		r.sound.Store(int64(c.done))
		if got := r.timeout(c.estimate); got != c.want {
			t.Errorf("%v announced, %v converted: %v, want %v", c.estimate, c.done, got, c.want)
		}
	}
	few, many := &plan{estimate: time.Second, bitrate: 192}, &plan{estimate: 39 * time.Hour, bitrate: 192}
	if a, b := few.maxOutput(r.MaxDuration), many.maxOutput(r.MaxDuration); a != b {
		t.Errorf("limits on the output: %d and %d", a, b)
	}
}

// Whether the start is within the sound is decided by the sound, in every container.
func TestStartAfterTheEnd(t *testing.T) {
	for _, s := range []samples.Spec{
		{Name: "a.mp4"}, {Name: "a.mkv"}, {Name: "a.ts"}, {Name: "a.flv"},
		{Name: "a.webm", Rate: 48000, Video: "libvpx -deadline realtime", Audio: "libopus"},
		{Name: "a.avi", Video: "mpeg4", Audio: "libmp3lame"}, {Name: "a.mpg", Video: "mpeg2video", Audio: "mp2", Rate: 48000},
		{Name: "a.mp3", Video: "none", Audio: "libmp3lame"}, {Name: "a.flac", Video: "none", Audio: "flac"},
		{Name: "a.ogg", Video: "none", Audio: "libvorbis"}, {Name: "a.wav", Video: "none", Audio: "pcm_s16le"}, {Name: "a.aac", Video: "none"},
	} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			path := makeSample(t, s)
			for _, o := range []conversion.Options{{Start: 60}, {Start: 60, Normalize: true}, {Start: 60, End: 70, Salvage: true}} {
				if _, _, err := convertFile(t, path, o); !errors.Is(err, conversion.OutOfRange) || errors.Is(err, ErrBadOutput) {
					t.Errorf("%+v: error %v, want out_of_range", o, err)
				}
			}
		})
	}
}
