package ffmpeg

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

// The last two fifths of the file are cut off, or a twentieth is overwritten: of 60 seconds,
// 36 or 57 are left.
func TestSalvage(t *testing.T) {
	const h264 = "libx264 -preset ultrafast -pix_fmt yuv420p -g 25"
	seconds := 20.0
	if long {
		seconds = 60
	}
	fragments := []string{"-movflags", "+frag_keyframe+empty_moov"}
	for _, c := range []struct {
		spec    samples.Spec
		refused bool    // without salvage
		hole    bool    // the same for a file with a hole
		unknown bool    // a container that was cut off does not announce a length
		slack   float64 // seconds of sound that may be lost beside those that are not in the file
	}{
		{spec: samples.Spec{Name: "a.mp4", Video: h264, Format: []string{"-movflags", "+faststart"}}, refused: true, hole: true, slack: 1},
		{spec: samples.Spec{Name: "fragments.mp4", Video: h264, Format: fragments}, refused: true, hole: true, unknown: true, slack: 2.5},
		{spec: samples.Spec{Name: "a.mov", Video: h264, Audio: "pcm_s16le", Format: []string{"-movflags", "+faststart"}}, refused: true, slack: 2},
		{spec: samples.Spec{Name: "a.mkv", Video: h264}, refused: true, hole: true, slack: 6},
		{spec: samples.Spec{Name: "a.webm", Video: "libvpx -deadline realtime", Audio: "libopus", Rate: 48000}, refused: true, hole: true, slack: 6},
		{spec: samples.Spec{Name: "a.avi", Video: "mpeg4", Audio: "libmp3lame"}, refused: true, slack: 2},
		{spec: samples.Spec{Name: "a.wav", Video: "none", Audio: "pcm_s16le"}, refused: true, slack: 1},
		{spec: samples.Spec{Name: "a.mp3", Video: "none", Audio: "libmp3lame"}, refused: true, slack: 1},
		{spec: samples.Spec{Name: "a.flac", Video: "none", Audio: "flac"}, refused: true, hole: true, slack: 1},
		{spec: samples.Spec{Name: "a.aiff", Video: "none", Audio: "pcm_s16be"}, refused: true, slack: 1},
		{spec: samples.Spec{Name: "a.ts", Video: h264}, unknown: true, slack: 2},
		{spec: samples.Spec{Name: "a.ogg", Video: "none", Audio: "libvorbis"}, hole: true, unknown: true, slack: 2},
	} {
		c.spec.Seconds = seconds
		t.Run(c.spec.Name, func(t *testing.T) {
			t.Parallel()
			whole, err := c.spec.Read(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []struct {
				name    string
				content []byte
				left    float64
				refused bool
			}{
				{"cut off", cutOff(whole, 0.6), 0.6 * seconds, c.refused},
				{"hole", damage(whole, 0.5, 0.55), 0.95 * seconds, c.hole},
			} {
				path := writeVideo(t, d.content)
				info, out, err := convertFile(t, path, conversion.Options{})
				if d.refused != errors.Is(err, conversion.Corrupt) {
					t.Errorf("%s: error %v without salvage", d.name, err)
				}
				if err == nil {
					t.Logf("%s: %.1f s without salvage, %.1f s reported missing", d.name, lengthOf(t, out), info.Missing.Seconds())
				}
				r := newRun(t, newConverter(t), servedInput(fileInput(t, path)), conversion.Options{Salvage: true})
				if err := r.convert(t.Context()); err != nil {
					t.Errorf("%s: %v", d.name, err)
					continue
				}
				checkSalvaged(t, c.spec.Name+" "+d.name, r, d.left, seconds, c.slack, d.name == "cut off" && c.unknown || d.name == "hole" && !c.hole)
			}
		})
	}
}

// Several encoders salvage what one does.
func TestSalvageInParallel(t *testing.T) {
	const seconds = 400
	whole, err := samples.Spec{Name: "long.m4a", Video: "none", Seconds: seconds, Format: []string{"-movflags", "+faststart"}}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		left    float64
	}{"cut off": {cutOff(whole, 0.6), 0.6 * seconds}, "hole": {damage(whole, 0.5, 0.55), 0.95 * seconds}} {
		r := newRun(t, newConverter(t), fileInput(t, writeVideo(t, c.content)), conversion.Options{})
		r.cores = 2
		if err := r.convert(t.Context()); !errors.Is(err, conversion.Corrupt) {
			t.Errorf("%s: error %v without salvage", name, err)
		}
		r.options.Salvage = true
		if err := r.convert(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.plan.workers != 2 {
			t.Errorf("%d encoders", r.plan.workers)
		}
		checkSalvaged(t, name, r, c.left, seconds, 2, false)
	}
}

// checkSalvaged checks the length of the MP3 and what the media info says is missing.
func checkSalvaged(t *testing.T, name string, r *conversionRun, left, whole, slack float64, unknown bool) {
	t.Helper()
	got, missing := lengthOf(t, r.out), r.mediaInfo.Missing.Seconds()
	t.Logf("%s: %.2f s salvaged, %.2f s missing", name, got, missing)
	if got < left-slack || got > whole+0.2 {
		t.Errorf("%s: %.2f s salvaged, want %.2f", name, got, left)
	}
	if !unknown && math.Abs(got+missing-whole) > 0.35 {
		t.Errorf("%s: %.2f s salvaged and %.2f s missing, want %.2f together", name, got, missing, whole)
	}
	if length := r.mediaInfo.Duration.Seconds(); math.Abs(length-got) > 0.35 {
		t.Errorf("%s: the source has %.2f s, want %.2f", name, length, got)
	}
}

// Salvage changes nothing for a file that is not damaged.
func TestSalvageOfGoodFiles(t *testing.T) {
	for _, s := range []samples.Spec{{Name: "good.mp4"}, {Name: "good.mkv"}, {Name: "good.avi", Video: "mpeg4", Audio: "libmp3lame"}, {Name: "good.mp3", Video: "none", Audio: "libmp3lame"}} {
		info, out, err := convertFile(t, makeSample(t, s), conversion.Options{Salvage: true})
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		if got := lengthOf(t, out); math.Abs(got-3) > 0.1 || info.Missing != 0 {
			t.Errorf("%s: %.2f s, %v missing", s.Name, got, info.Missing)
		}
	}
}

// A segment index says how much there was, even if the file ends with a whole fragment.
func TestLostFragments(t *testing.T) {
	whole, err := samples.Spec{Name: "dash.m4a", Video: "none", Seconds: 20, Format: []string{"-movflags", "+dash+global_sidx", "-frag_duration", "1000000"}}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for range 13 {
		at += bytes.Index(whole[at:], []byte("moof")) + 4
	}
	path := writeVideo(t, whole[:at-8])
	if _, _, err := convertFile(t, path, conversion.Options{}); !errors.Is(err, conversion.Corrupt) {
		t.Errorf("error %v without salvage, want corrupt", err)
	}
	r := newRun(t, newConverter(t), fileInput(t, path), conversion.Options{Salvage: true})
	if err := r.convert(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkSalvaged(t, "dash", r, 12, 20, 0.2, false)
}

func TestNothingToSalvage(t *testing.T) {
	whole, err := samples.Spec{Name: "good.mp4", Seconds: 10}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	early, err := samples.Spec{Name: "early.mp4", Seconds: 10, Format: []string{"-movflags", "+faststart"}}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		salvage bool
		want    *conversion.Failure
	}{
		"index lost":                 {cutOff(whole, 0.5), true, conversion.IndexLost},
		"index lost, not to salvage": {cutOff(whole, 0.5), false, conversion.IndexLost},
		"half of an index":           {early[:600], true, conversion.IndexLost},
		"not to salvage":             {cutOff(early, 0.5), false, conversion.Corrupt},
		"no sound at all":            {early[:bytes.Index(early, []byte("mdat"))+4], true, conversion.NothingSalvaged},
		"no video":                   {[]byte(strings.Repeat("text ", 100)), true, conversion.Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := convertFile(t, writeVideo(t, c.content), conversion.Options{Salvage: c.salvage})
			var failure *conversion.Failure
			if !errors.As(err, &failure) || failure != c.want {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// The start of the part that was asked for is lost, or only its end.
func TestSalvageOfParts(t *testing.T) {
	whole, err := samples.Spec{Name: "a.mp4", Seconds: 60, Format: []string{"-movflags", "+faststart"}}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := writeVideo(t, cutOff(whole, 0.6))
	for _, c := range []struct {
		options conversion.Options
		seconds float64 // of the MP3
		missing float64
		want    error
	}{
		{conversion.Options{Start: 10, End: 20}, 10, 0, nil},
		{conversion.Options{Start: 10, End: 20, Salvage: true}, 10, 0, nil},
		{conversion.Options{Start: 10, End: 50}, 0, 0, conversion.Corrupt},
		{conversion.Options{Start: 10, End: 50, Salvage: true}, 26, 14, nil},
		{conversion.Options{Start: 50}, 0, 0, conversion.Corrupt},
		{conversion.Options{Start: 50, Salvage: true}, 0, 0, conversion.NothingSalvaged},
		{conversion.Options{Start: 70, Salvage: true}, 0, 0, conversion.OutOfRange},
	} {
		info, out, err := convertFile(t, path, c.options)
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: error %v, want %v", c.options, err, c.want)
		}
		if err == nil {
			if got, missing := lengthOf(t, out), info.Missing.Seconds(); math.Abs(got-c.seconds) > 1 || math.Abs(missing-c.missing) > 1 {
				t.Errorf("%+v: %.2f s, %.2f missing, want %.2f and %.2f", c.options, got, missing, c.seconds, c.missing)
			}
		}
	}
}
