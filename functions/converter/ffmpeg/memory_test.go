package ffmpeg

import (
	"errors"
	"fmt"
	"testing"

	"mp3converter/functions/converter/parallel"
	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

const mib = 1 << 20

// smallContainer has the limits of a pod with 1 GiB.
var smallContainer = NewMemory(1<<30, 256*mib, 1)

func TestNewMemory(t *testing.T) {
	for _, total := range []uint64{512 * mib, 1 << 30, 2 << 30, 8 << 30, 64 << 30} {
		for _, conversions := range []int64{0, 1, 2, 4, 16} {
			t.Run(fmt.Sprintf("%d MiB, %d conversions", total/mib, conversions), func(t *testing.T) {
				heap := total / 4
				m := NewMemory(total, heap, conversions)
				if m.Encoders < 1 || m.Program < minProgramMemory || m.Decoder < minProgramMemory || m.Encoder < encoderMemory ||
					m.Program > maxProgramMemory || m.Decoder > maxProgramMemory {
					t.Errorf("%+v", m)
				}
				if m.Encoders > 1 && m.Decoder < minDecoderMemory {
					t.Errorf("too many encoders: %+v", m)
				}
				sum := heap + uint64(max(1, conversions))*m.Peak()
				if small := m.Program == minProgramMemory; sum > total && !small {
					t.Errorf("%+v takes %d MiB in all", m, sum/mib)
				}
			})
		}
	}
	if got := NewMemory(1<<30, 2<<30, 1).Program; got != minProgramMemory {
		t.Errorf("a heap larger than the memory leaves %d", got)
	}
	if smallContainer.Encoders < 2 {
		t.Errorf("1 GiB has no room for two encoders: %+v", smallContainer)
	}
	if want := smallContainer.Decoder + uint64(smallContainer.Encoders)*encoderMemory + parallel.BufferSize(smallContainer.Encoders); smallContainer.Peak() < want {
		t.Errorf("peak of %d MiB, want at least %d", smallContainer.Peak()/mib, want/mib)
	}
}

func TestExplicitMemory(t *testing.T) {
	c := newConverter(t, func(cfg *Config) { cfg.MaxMemory = 300 * mib })
	if m := c.memory; m.Program != 300*mib || m.Decoder != 300*mib || m.Encoder != 300*mib {
		t.Errorf("%+v, want 300 MiB for each program", m)
	}
	c = newConverter(t, func(cfg *Config) { cfg.MaxMemory = 0 })
	if m := c.memory; m.Program < minProgramMemory || m.Program > maxProgramMemory {
		t.Errorf("%+v", m)
	}
}

// ffmpeg ends at the limit that is derived from the container's, and although it reports
// success, the conversion fails for good.
func TestProgramThatFillsMemory(t *testing.T) {
	c := newConverter(t)
	c.memory = NewMemory(512*mib, 128*mib, 1)
	r := newRun(t, c, fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"})), plannedOptions)
	// The filter keeps all pictures.
	cmd := r.command(r.FFmpeg, append(commonArgs("error"), "-f", "lavfi", "-i", "testsrc2=size=1920x1080:duration=60", "-vf", "reverse", "-f", "null", "-"))
	cmd.timeout = r.MaxTime
	if err := classifyError(cmd.run(t.Context())); !errors.Is(err, conversion.MemoryLimit) {
		t.Errorf("%v, want memory_limit", err)
	}
}

// Large pictures, a cover and several encoders fit into a pod of 1 GiB.
func TestLimitsSuffice(t *testing.T) {
	for _, tc := range []struct {
		spec    samples.Spec
		options conversion.Options
		workers int
	}{
		{samples.Spec{Name: "4k.mp4", Seconds: 1, Picture: "3840x2160"}, conversion.Options{}, 1},
		{samples.Spec{Name: "4k.mp4", Seconds: 1, Picture: "3840x2160"}, conversion.Options{Cover: conversion.CoverFrame, Normalize: true}, 1},
		{samples.Spec{Name: "4k.mkv", Seconds: 1, Picture: "3840x2160", Video: "libx265 -preset ultrafast -x265-params log-level=error", Audio: "flac"}, conversion.Options{Cover: conversion.CoverFrame}, 1},
		{samples.Spec{Name: "long.m4a", Video: "none", Seconds: 460}, conversion.Options{}, smallContainer.Encoders},
	} {
		t.Run(fmt.Sprint(tc.spec.Name, tc.options), func(t *testing.T) {
			c := newConverter(t)
			c.memory = smallContainer
			r := newRun(t, c, fileInput(t, makeSample(t, tc.spec)), tc.options)
			r.cores = smallContainer.Encoders
			if err := r.convert(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r.plan != nil && r.plan.workers != tc.workers {
				t.Errorf("%d encoders, want %d", r.plan.workers, tc.workers)
			}
			if tc.options.Cover == conversion.CoverFrame && r.cover.track == "" {
				t.Error("no cover: the frame was not extracted")
			}
		})
	}
}

func TestOutOfMemory(t *testing.T) {
	for stderr, want := range map[string]bool{
		"":                   false,
		"Conversion failed!": false,
		"Error while decoding stream #0:0: Cannot allocate memory\n": true,
		"[mov] error\nvideo.mp4: Out of memory\nConversion failed!":  true,
		"av_malloc: Cannot allocate memory.\n":                       true,
		"  Metadata:\n    title           : Out of memory\n":         false,
	} {
		if got := outOfMemory(stderr); got != want {
			t.Errorf("%q: %t", stderr, got)
		}
	}
}
