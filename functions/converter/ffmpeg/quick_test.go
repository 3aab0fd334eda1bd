package ffmpeg

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/test/samples"
)

// What is simple goes the short way, and what is not the long one.
func TestQuick(t *testing.T) {
	for _, c := range []struct {
		spec  samples.Spec
		quick bool
	}{
		{samples.Spec{Name: "plain.mp4"}, true},
		{samples.Spec{Name: "first.mp4", Format: []string{"-movflags", "+faststart"}}, true},
		{samples.Spec{Name: "tagged.mp4", Tags: map[string]string{"title": "T: \"x\"", "artist": "A"}}, true},
		{samples.Spec{Name: "stream tags.ogg", Video: "none", Audio: "libvorbis", Tags: map[string]string{"title": "T", "artist": "A"}}, true},
		{samples.Spec{Name: "stream tags.opus", Video: "none", Audio: "libopus", Rate: 48000, Tags: map[string]string{"title": "T", "artist": "A"}}, true},
		{samples.Spec{Name: "plain.webm", Rate: 48000, Video: "libvpx -deadline realtime", Audio: "libopus"}, true},
		{samples.Spec{Name: "mono.mov", Layout: "mono", Audio: "pcm_s16le"}, true},
		{samples.Spec{Name: "surround.mp4", Layout: "5.1"}, false},
		{samples.Spec{Name: "high.mkv", Rate: 96000, Audio: "flac"}, false},
		{samples.Spec{Name: "mp3.mkv", Audio: "libmp3lame"}, false},
		{samples.Spec{Name: "silent.mp4", Audio: "none"}, false},
		{samples.Spec{Name: "unknown tag.mkv", Tags: map[string]string{"whatever": "x"}}, false},
	} {
		t.Run(c.spec.Name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			in, dir := openSample(t, b, makeSample(t, c.spec))
			a := attempt{Converter: b.Converter, job: jobs.Job{Name: "the name.mp4"}}
			out := filepath.Join(dir, "out.mp3")
			source, ok := a.quick(t.Context(), dir, in, out)
			if ok != c.quick {
				t.Fatalf("quick %v, want %v", ok, c.quick)
			}
			if !ok {
				return
			}
			found, err := a.probe(t.Context(), dir, in)
			if err != nil {
				t.Fatal(err)
			}
			want := found.source()
			if source.Container != want.Container || source.Codec != want.Codec || source.Rate != want.Rate || source.Channels != want.Channels ||
				(source.Duration-want.Duration).Abs() > 50*time.Millisecond || source.Tags["title"] != want.Tags["title"] {
				t.Errorf("source %+v, ffprobe says %+v", source, want)
			}
			tags := ffprobe(t, out).Format.Tags
			title := "the name"
			if c.spec.Tags["title"] != "" {
				title = c.spec.Tags["title"]
			}
			if tags["title"] != title || tags["artist"] != c.spec.Tags["artist"] || tags["major_brand"] != "" {
				t.Errorf("tags %v", tags)
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestQuickLeavesWishesAndLongVideosAlone(t *testing.T) {
	b := newBench(t)
	in, dir := openSample(t, b, shortVideo(t))
	for name, j := range map[string]jobs.Job{
		"wishes": {Options: conversion.Options{Bitrate: 192}},
		"large":  {Video: jobs.File{Size: quickSize + 1}},
	} {
		a := attempt{Converter: b.Converter, job: j}
		if _, ok := a.quick(t.Context(), dir, in, filepath.Join(dir, "out.mp3")); ok {
			t.Errorf("%s: converted", name)
		}
	}
}

// What several encoders do sooner is not begun by one.
func TestQuickLeavesManyMinutesToManyCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	b := newBench(t)
	in, dir := openSample(t, b, makeSample(t, samples.Spec{Name: "long.m4a", Video: "none", Seconds: 300, Tags: map[string]string{"title": "Long"}}))
	a := attempt{Converter: b.Converter}
	if _, ok := a.quick(t.Context(), dir, in, filepath.Join(dir, "out.mp3")); ok {
		t.Error("converted by one encoder")
	}
	if got := a.progress.Load(); got != 0 {
		t.Errorf("progress %d", got)
	}
}

func TestTitleFile(t *testing.T) {
	if got, want := string(titleFile("a=b;c#d\\e\nf")), ";FFMETADATA1\ntitle=a\\=b\\;c\\#d\\\\e\\\nf\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzBanner(f *testing.F) {
	f.Add("Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'x':\n  Metadata:\n    title           : T\n  Duration: 00:00:30.00, start: 0.000000, bitrate: 3144 kb/s\n" +
		"  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, stereo, fltp, 128 kb/s (default)\n")
	f.Add("  Stream #0:0: Video: png, rgb24, 64x64 (attached pic)\n  Stream #0:1: Audio: mp3, 44100 Hz, mono, fltp\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := parseBanner([]byte(text))
		if !p.simple() {
			return
		}
		if p.audio.rate() < 32000 || p.audio.Channels < 1 || p.duration() <= 0 || strings.Contains(p.audio.Codec, "\n") {
			t.Errorf("taken for simple: %+v", p)
		}
	})
}
