package ffmpeg

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mp3converter/shared/conversion"
)

// planned is an option with which ffprobe reads the video first.
var planned = conversion.Options{Title: "x"}

// makeTracks makes a file of one second from the arguments, which follow the inputs:
// a video, a tone and a subtitle.
func makeTracks(t *testing.T, name, args string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	line := "-v error -nostdin -y -f lavfi -i testsrc2=size=64x64:rate=10:duration=1 -f lavfi -i sine=sample_rate=48000:duration=1 -f srt -i pipe:0 " + args
	cmd := exec.Command("ffmpeg", append(strings.Fields(line), path)...)
	cmd.Stdin = strings.NewReader("1\n00:00:00,000 --> 00:00:01,000\nText\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot make the sample: %v: %s", err, out)
	}
	return path
}

// The sound of a file is converted only by a decoder on the list. Other tracks do not
// need one.
func TestDecoders(t *testing.T) {
	for _, c := range []struct {
		name, file, tracks string
		want               *conversion.Failure
	}{
		{"obscure sound in WAV", "x.wav", "-map 1 -c:a dfpwm", conversion.Unsupported},
		{"obscure sound in Matroska", "x.mkv", "-map 0 -map 1 -c:v mpeg4 -c:a dfpwm", conversion.Unsupported},
		{"ordinary and obscure sound", "x.mkv", "-map 1 -map 1 -c:a:0 aac -c:a:1 dfpwm", conversion.Unsupported},
		{"pictures as video", "x.mov", "-map 0 -map 1 -c:v targa -c:a aac", nil},
		{"video of an editor", "x.mov", "-map 0 -map 1 -c:v cfhd -pix_fmt yuv422p10 -c:a pcm_s24le", nil},
		{"subtitles in MP4", "x.mp4", "-map 0 -map 1 -map 2 -c:v mpeg4 -c:a aac -c:s mov_text", nil},
		{"subtitles in Matroska", "x.mkv", "-map 0 -map 1 -map 2 -map 2 -map 2 -c:v mpeg4 -c:a ac3 -c:s:0 srt -c:s:1 ass -c:s:2 webvtt", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := makeTracks(t, c.file, c.tracks)
			for _, o := range []conversion.Options{{}, planned, {Cover: conversion.CoverFrame}} {
				_, _, err := convertFile(t, path, o)
				if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%+v: %v, want %v", o, err, c.want)
				}
			}
		})
	}
}

// ffprobe refuses the file, but ffmpeg needs no decoder for the video.
func TestObscureVideo(t *testing.T) {
	path := makeTracks(t, "x.mkv", "-map 0 -map 1 -c:v zmbv -c:a mp2")
	if _, _, err := convertFile(t, path, planned); !errors.Is(err, conversion.Unsupported) {
		t.Errorf("with ffprobe: %v, want %v", err, conversion.Unsupported)
	}
	if _, _, err := convertFile(t, path, conversion.Options{}); err != nil {
		t.Errorf("without ffprobe: %v", err)
	}
}

// ffprobe and ffmpeg decode no frame of a track whose decoder is not on the list.
func TestFramesOfOtherTracksAreNotDecoded(t *testing.T) {
	path := makeTracks(t, "x.mov", "-map 0 -map 1 -c:v targa -pix_fmt bgr24 -c:a aac")
	pixels := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("ffprobe", append([]string{"-v", "quiet", "-of", "json", "-show_streams"}, args...)...).Output()
		var found struct {
			Streams []struct {
				Format string `json:"pix_fmt"`
			} `json:"streams"`
		}
		if err != nil || json.Unmarshal(out, &found) != nil || len(found.Streams) != 2 {
			t.Fatalf("ffprobe %v: %v: %s", args, err, out)
		}
		return found.Streams[0].Format
	}
	if got := pixels(path); got != "bgr24" {
		t.Fatalf("without the list, ffprobe reports the pixel format %q: the test cannot fail", got)
	}
	if got := pixels(append([]string{"-codec_whitelist", allowedDecoders, path}, otherDecoderArgs()...)...); got != "" && got != "unknown" {
		t.Errorf("ffprobe has decoded the video: it reports the pixel format %q", got)
	}

	r := newRun(t, newConverter(t), fileInput(t, path), conversion.Options{Cover: conversion.CoverFrame})
	found, err := r.probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.plan = &plan{probe: found}
	if err := r.extractFrame(t.Context(), filepath.Join(r.dir, "cover.jpg")); err == nil || !strings.Contains(err.Error(), "not on whitelist") {
		t.Errorf("extracting a frame: %v, want a refusal", err)
	}
}

// ffmpeg has each decoder on the lists, apart from those that only newer versions or other
// builds have. A misspelt name would not be noticed otherwise.
func TestDecoderNames(t *testing.T) {
	out, err := exec.Command("ffmpeg", "-v", "quiet", "-decoders").Output()
	if err != nil {
		t.Fatal(err)
	}
	existing := map[string]bool{"vvc": true, "libvorbis": true, "libdav1d": true, "libaom-av1": true, "libopenjpeg": true}
	for line := range bytes.Lines(out) {
		if fields := strings.Fields(string(line)); len(fields) > 1 {
			existing[fields[1]] = true
		}
	}
	seen := map[string]bool{}
	for name := range strings.SplitSeq(strings.Join([]string{allowedDecoders, otherVideoDecoders, subtitleDecoders}, ","), ",") {
		if !existing[name] {
			t.Errorf("this ffmpeg has no decoder %q", name)
		}
		if seen[name] {
			t.Errorf("%q is on the lists twice", name)
		}
		seen[name] = true
	}
}

// A track whose decoder is not on the list is only mentioned in ffmpeg's log. It is not why
// ffmpeg failed, unless it needed that decoder.
func TestRefusedDecoder(t *testing.T) {
	const mentioned = "[mov_text @ 0x1] Codec (mov_text) not on whitelist 'aac'\n"
	for stderr, want := range map[string]*conversion.Failure{
		mentioned + "Error while decoding stream #0:1: Invalid data found when processing input":                                   conversion.Corrupt,
		"[dfpwm @ 0x1] Codec (dfpwm) not on whitelist 'aac'\nError while opening decoder for input stream #0:0 : Invalid argument": conversion.Unsupported,
		"[dfpwm @ 0x1] Codec (dfpwm) not on whitelist 'aac'\n[dec:dfpwm @ 0x2] Error while opening decoder: Invalid argument":      conversion.Unsupported,
	} {
		var exit *exec.ExitError
		if err := exec.Command("false").Run(); !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if err := classifyError(&exitError{exit, stderr}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", stderr, err, want)
		}
	}
}
