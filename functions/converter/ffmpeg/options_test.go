package ffmpeg

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

// rich makes a video with two sound tracks, chapters and a cover.
func rich(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	meta := filepath.Join(dir, "meta.txt")
	text := ";FFMETADATA1\ntitle=Source Title\nartist=Source Artist\n" +
		"[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=8000\ntitle=Two\n"
	if err := os.WriteFile(meta, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "rich.mp4")
	cmd := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=8",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=8:sample_rate=44100",
		"-f", "lavfi", "-i", "sine=frequency=1760:duration=8:sample_rate=48000",
		"-f", "lavfi", "-i", "color=red:size=64x64:duration=0.04:rate=25",
		"-i", meta,
		"-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:v", "-map_metadata", "4", "-map_chapters", "4",
		"-c:v:0", "libx264", "-preset:v:0", "ultrafast", "-pix_fmt:v:0", "yuv420p", "-c:v:1", "png", "-disposition:v:1", "attached_pic",
		"-c:a", "aac", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", out)
	if message, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, message)
	}
	return out
}

// tone estimates the main frequency of a file from its zero crossings.
func tone(t testing.TB, path string) float64 {
	t.Helper()
	pcm, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-ac", "1", "-ar", "48000", "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	crossings, last := 0, int16(0)
	for i := 0; i+1 < len(pcm); i += 2 {
		v := int16(uint16(pcm[i]) | uint16(pcm[i+1])<<8)
		if v >= 0 && last < 0 {
			crossings++
		}
		last = v
	}
	return float64(crossings) / (float64(len(pcm)) / 2 / 48000)
}

// streams returns ffprobe's description of everything in a file.
func streams(t testing.TB, path string) string {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestOptions(t *testing.T) {
	path := rich(t)
	quality := 2
	for name, c := range map[string]struct {
		options conversion.Options
		check   func(t *testing.T, info *conversion.MediaInfo, p probed, path string)
	}{
		"none": {conversion.Options{}, func(t *testing.T, info *conversion.MediaInfo, p probed, path string) {
			text := streams(t, path)
			if !strings.Contains(text, `"Two"`) || !strings.Contains(text, `"attached_pic": 1`) {
				t.Errorf("chapters or cover lost: %s", text)
			}
			if math.Abs(tone(t, path)-440) > 5 || p.Format.Tags["title"] != "Source Title" || p.Format.Tags["artist"] != "Source Artist" {
				t.Errorf("tone %.0f, tags %v", tone(t, path), p.Format.Tags)
			}
			if len(info.Tracks) != 2 || info.Tracks[1].Language != "deu" || info.Tags["artist"] != "Source Artist" {
				t.Errorf("media info %+v", info)
			}
		}},
		"bitrate": {conversion.Options{Bitrate: 96}, func(t *testing.T, _ *conversion.MediaInfo, _ probed, path string) { bitrateIs(t, path, 96_000, false) }},
		"quality": {conversion.Options{Quality: &quality}, func(t *testing.T, _ *conversion.MediaInfo, _ probed, path string) { bitrateIs(t, path, 0, true) }},
		"sample rate and mono": {conversion.Options{SampleRate: 22050, Channels: 1}, func(t *testing.T, _ *conversion.MediaInfo, p probed, _ string) {
			if p.Streams[0].Rate != "22050" || p.Streams[0].Channels != 1 {
				t.Errorf("%+v", p.Streams[0])
			}
		}},
		"track by number": {conversion.Options{Track: "2"}, func(t *testing.T, _ *conversion.MediaInfo, _ probed, path string) {
			if got := tone(t, path); math.Abs(got-1760) > 10 {
				t.Errorf("tone %.0f", got)
			}
		}},
		"track by language": {conversion.Options{Track: "deu"}, func(t *testing.T, _ *conversion.MediaInfo, _ probed, path string) {
			if got := tone(t, path); math.Abs(got-1760) > 10 {
				t.Errorf("tone %.0f", got)
			}
		}},
		"start and end": {conversion.Options{Start: 2, End: 5.5}, func(t *testing.T, _ *conversion.MediaInfo, p probed, _ string) {
			if d, _ := strconv.ParseFloat(p.Format.Duration, 64); math.Abs(d-3.5) > 0.1 {
				t.Errorf("duration %s", p.Format.Duration)
			}
		}},
		"start only": {conversion.Options{Start: 6}, func(t *testing.T, _ *conversion.MediaInfo, p probed, _ string) {
			if d, _ := strconv.ParseFloat(p.Format.Duration, 64); math.Abs(d-2) > 0.1 {
				t.Errorf("duration %s", p.Format.Duration)
			}
		}},
		"tags": {conversion.Options{Title: "Mine", Artist: "Me", Album: "An album", Comment: "-i; = \""}, func(t *testing.T, _ *conversion.MediaInfo, p probed, _ string) {
			if g := p.Format.Tags; g["title"] != "Mine" || g["artist"] != "Me" || g["album"] != "An album" || g["comment"] != "-i; = \"" {
				t.Errorf("tags %v", g)
			}
		}},
		"no cover, no chapters": {conversion.Options{Cover: conversion.CoverNone, NoChapters: true}, func(t *testing.T, _ *conversion.MediaInfo, _ probed, path string) {
			if text := streams(t, path); strings.Contains(text, `"Two"`) || strings.Contains(text, "attached_pic\": 1") {
				t.Errorf("chapters or cover not removed: %s", text)
			}
		}},
		"a frame as cover": {conversion.Options{Cover: conversion.CoverFrame}, func(t *testing.T, _ *conversion.MediaInfo, _ probed, path string) {
			if text := streams(t, path); !strings.Contains(text, `"mjpeg"`) || !strings.Contains(text, `"width": 320`) {
				t.Errorf("no frame: %s", text)
			}
		}},
		"normalized": {conversion.Options{Normalize: true}, func(t *testing.T, _ *conversion.MediaInfo, p probed, path string) {
			if got := loudnessOf(t, path); math.Abs(got+16) > 1 {
				t.Errorf("loudness %.1f LUFS, want -16", got)
			}
			if p.Streams[0].Rate != "44100" {
				t.Errorf("rate %s", p.Streams[0].Rate)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, out, err := convertFile(t, path, c.options)
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, info, ffprobe(t, out), out)
		})
	}
}

// inspect returns what the frames of an MP3 say.
func inspect(t testing.TB, path string) mp3.Info {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := mp3.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func bitrateIs(t *testing.T, path string, want int, vbr bool) {
	t.Helper()
	info := inspect(t, path)
	if info.VBR != vbr || want != 0 && (info.Bitrate < want*98/100 || info.Bitrate > want*102/100) {
		t.Errorf("%d bit/s, variable %v; want %d, %v", info.Bitrate, info.VBR, want, vbr)
	}
}

var integrated = regexp.MustCompile(`I:\s+(-?[0-9.]+) LUFS`)

func loudnessOf(t testing.TB, path string) float64 {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-hide_banner", "-nostats", "-i", path, "-map", "0:a", "-af", "ebur128", "-f", "null", "-").CombinedOutput()
	found := integrated.FindAllStringSubmatch(string(out), -1)
	if err != nil || found == nil {
		t.Fatalf("ebur128: %v: %s", err, out)
	}
	f, err := strconv.ParseFloat(found[len(found)-1][1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOptionsThatDoNotApply(t *testing.T) {
	path := rich(t)
	for want, o := range map[*conversion.Failure]conversion.Options{
		conversion.NoSuchTrack: {Track: "3"},
		conversion.OutOfRange:  {Start: 60},
	} {
		if _, _, err := convertFile(t, path, o); !errors.Is(err, want) {
			t.Errorf("error %v, want %s", err, want.Code)
		}
	}
}

func TestSilenceIsNotNormalized(t *testing.T) {
	path := filepath.Join(t.TempDir(), "silence.m4a")
	if out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=d=3", "-c:a", "aac", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, _, err := convertFile(t, path, conversion.Options{Normalize: true}); err != nil {
		t.Error(err)
	}
}

// The loudness of the MP3 is normalized, not that of the channels before mixing.
func TestUnusualAudioIsNormalized(t *testing.T) {
	for name, made := range map[string][]string{
		"surround.mka":            {"-i", "anoisesrc=d=4:c=pink:a=0.3:r=48000", "-af", "pan=5.1|FL=c0|FR=c0|FC=c0|LFE=0*c0|BL=c0|BR=c0", "-c:a", "flac"},
		"far over full scale.wav": {"-i", "sine=f=1000:d=4:r=48000", "-af", "volume=40dB", "-ac", "2", "-c:a", "pcm_f32le"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			args := append([]string{"-v", "error", "-f", "lavfi"}, append(made, path)...)
			if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			_, out, err := convertFile(t, path, conversion.Options{Normalize: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := loudnessOf(t, out); math.Abs(got+16) > 1 {
				t.Errorf("loudness %.1f LUFS, want -16", got)
			}
		})
	}
}

// packets returns the checksums of the MP3 frames in a file.
func packets(t testing.TB, path string) []string {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-map", "0:a:0", "-c", "copy", "-f", "framemd5", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	var sums []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			fields := strings.Split(strings.TrimSpace(line), ",")
			sums = append(sums, fields[len(fields)-1])
		}
	}
	return sums
}

func TestMP3IsCopied(t *testing.T) {
	for _, spec := range []samples.Spec{
		{Name: "constant.mkv", Audio: "libmp3lame -b:a 128k", Seconds: 10},
		{Name: "variable.mkv", Audio: "libmp3lame -q:a 4", Seconds: 10},
		{Name: "in mp4.mp4", Audio: "libmp3lame -b:a 160k", Seconds: 10},
		{Name: "bare.mp3", Video: "none", Audio: "libmp3lame -q:a 2", Seconds: 10},
	} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			path := makeSample(t, spec)
			_, out, err := convertFile(t, path, conversion.Options{Title: "Copy"})
			if err != nil {
				t.Fatal(err)
			}
			want, got := packets(t, path), packets(t, out)
			if len(got) < len(want)-1 || len(got) > len(want) || got[len(got)-2] != want[len(want)-2] {
				t.Errorf("%d frames became %d", len(want), len(got))
			}
			p := ffprobe(t, out)
			if d, _ := strconv.ParseFloat(p.Format.Duration, 64); math.Abs(d-10) > 0.1 || p.Format.Tags["title"] != "Copy" {
				t.Errorf("duration %s, tags %v", p.Format.Duration, p.Format.Tags)
			}
			f, err := os.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := mp3.Inspect(f)
			if err != nil || !info.HasXing {
				t.Errorf("no Xing header: %+v, %v", info, err)
			}
		})
	}
}

func TestParallelMatchesSerial(t *testing.T) {
	path := makeSample(t, samples.Spec{Name: "long.m4a", Video: "none", Seconds: 300, Tags: map[string]string{"title": "Long"}})
	var samples []int64
	for _, workers := range []int{1, 2} {
		r := newRun(t, newConverter(t), fileInput(t, path), conversion.Options{Cover: conversion.CoverNone})
		r.cores = workers
		var progress atomic.Int64
		r.progress = func(percent int) { progress.Store(int64(percent)) }
		if err := r.convertPlanned(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.plan.workers != workers {
			t.Fatalf("%d workers, want %d", r.plan.workers, workers)
		}
		f, err := os.Open(r.out)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := mp3.Inspect(f)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, info.Samples())
		if got := ffprobe(t, r.out).Format.Tags["title"]; got != "Long" {
			t.Errorf("%d workers: title %q", workers, got)
		}
		if progress.Load() < 50 {
			t.Errorf("%d workers: progress %d%%", workers, progress.Load())
		}
	}
	if samples[0] != samples[1] {
		t.Errorf("%d samples serially, %d in parallel", samples[0], samples[1])
	}
}

func FuzzMeasurement(f *testing.F) {
	f.Add([]byte(`[Parsed_loudnorm_0 @ 0x1] {"input_i" : "-27.61","input_tp" : "-4.47","input_lra" : "18.06","input_thresh" : "-39.20","target_offset" : "0.03"}`))
	f.Add([]byte(`{"input_i" : "-inf","input_tp":"-inf","input_lra":"0","input_thresh":"-70","target_offset":"inf"}`))
	f.Fuzz(func(t *testing.T, stderr []byte) {
		m, err := parseMeasurement(stderr)
		if err != nil || m == nil {
			return
		}
		text, err := json.Marshal(m)
		if err != nil || strings.ContainsAny(m.I+m.TP+m.LRA+m.Threshold+m.Offset, ":,;[]'\\") {
			t.Errorf("measurement %s would change the filter", text)
		}
	})
}

func TestClipDuration(t *testing.T) {
	const s = time.Second
	for _, c := range []struct{ length, start, end, want time.Duration }{
		{10 * s, 0, 0, 10 * s}, {10 * s, 2 * s, 0, 8 * s}, {10 * s, 2 * s, 5 * s, 3 * s},
		{10 * s, 2 * s, 50 * s, 8 * s}, {0, 2 * s, 5 * s, 3 * s}, {0, 2 * s, 0, 0}, {10 * s, 12 * s, 0, 0},
	} {
		if got := clipDuration(c.length, c.start, c.end); got != c.want {
			t.Errorf("clipDuration(%v, %v, %v) = %v, want %v", c.length, c.start, c.end, got, c.want)
		}
	}
}

// An end option beyond the end of the video is not treated as a damaged video, even if
// the duration is not known reliably.
func TestEndBeyondTheVideo(t *testing.T) {
	for format, want := range map[string]time.Duration{"mpegts": 0, "mov": 50 * time.Second} {
		found := &probe{audio: &stream{Codec: "aac", SampleRate: "48000", Channels: 2, Duration: "60"}}
		found.Format.Name, found.Format.Duration = format, "60"
		p, err := newPlan(found, conversion.Options{Start: 10, End: 100}, 192, 1)
		if err != nil {
			t.Fatal(err)
		}
		if p.expected != want || p.estimate != 50*time.Second {
			t.Errorf("%s: %v expected, estimated %v", format, p.expected, p.estimate)
		}
	}
}

func TestDamagedCoverIsOmitted(t *testing.T) {
	dir := t.TempDir()
	picture, out := filepath.Join(dir, "cover.png"), filepath.Join(dir, "broken.mkv")
	if msg, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=red:size=64x64:duration=0.04:rate=25", "-frames:v", "1", picture).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	if msg, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=3", "-attach", picture,
		"-metadata:s:t", "mimetype=image/png", "-metadata:s:t", "filename=cover.png", "-c:a", "aac", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(b), "\x89PNG\r\n\x1a\n", "\x89GNP\r\n\x1a\n", 1)
	if damaged == string(b) {
		t.Fatal("the picture is not in the file")
	}
	if err := os.WriteFile(out, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := convertFile(t, out, conversion.Options{}); err != nil {
		t.Error(err)
	}
}
