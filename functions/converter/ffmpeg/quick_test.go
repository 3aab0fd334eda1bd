package ffmpeg

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

// convertBothWays converts a video quickly and as planned and compares the
// results. It returns nil if the video is not eligible for a quick conversion.
func convertBothWays(t *testing.T, path string) *conversionRun {
	t.Helper()
	c := newConverter(t)
	quick := newRun(t, c, fileInput(t, path), conversion.Options{})
	if !quick.convertQuick(t.Context()) {
		if quick.mediaInfo != nil {
			t.Error("media info of a quick conversion that failed")
		}
		return nil
	}
	planned := newRun(t, c, fileInput(t, path), conversion.Options{})
	if err := planned.convertPlanned(t.Context()); err != nil {
		t.Fatalf("only the quick conversion succeeds: %v", err)
	}
	a, errA := os.ReadFile(quick.out)
	b, errB := os.ReadFile(planned.out)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("MP3s differ: %d and %d bytes, tags %v and %v", len(a), len(b), ffprobe(t, quick.out).Format.Tags, ffprobe(t, planned.out).Format.Tags)
	}
	got, want := *quick.mediaInfo, *planned.mediaInfo
	// If a track has no tag with its duration, the dump gives only that of the file, in
	// hundredths of a second.
	file := seconds(planned.plan.Format.Duration)
	if min((got.Duration-want.Duration).Abs(), (got.Duration-file).Abs()) > 10*time.Millisecond {
		t.Errorf("duration %v, ffprobe says %v, and %v for the file", got.Duration, want.Duration, file)
	}
	got.Duration = want.Duration
	if !reflect.DeepEqual(got, want) {
		t.Errorf("media info %+v, ffprobe says %+v", got, want)
	}
	if left, _ := os.ReadDir(quick.dir); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
	return quick
}

func TestQuickMatchesPlanned(t *testing.T) {
	tags := map[string]string{"title": "T", "artist": "A"}
	for _, c := range []struct {
		spec  samples.Spec
		quick bool
	}{
		{samples.Spec{Name: "plain.mp4"}, true},
		{samples.Spec{Name: "first.mp4", Format: []string{"-movflags", "+faststart"}}, true},
		{samples.Spec{Name: "tagged.mp4", Tags: map[string]string{"title": "; T: \"x\" = #1;", "artist": "A", "genre": "G"}}, true},
		{samples.Spec{Name: "language.mp4", Format: []string{"-metadata:s:a:0", "language=deu"}}, true},
		{samples.Spec{Name: "plain.webm", Rate: 48000, Video: "libvpx -deadline realtime", Audio: "libopus"}, true},
		{samples.Spec{Name: "mono.mov", Layout: "mono", Audio: "pcm_s16le"}, true},
		{samples.Spec{Name: "vorbis.ogg", Video: "none", Audio: "libvorbis", Tags: tags}, true},
		{samples.Spec{Name: "opus.ogg", Video: "none", Audio: "libopus", Rate: 48000, Tags: tags}, true},
		{samples.Spec{Name: "unknown tag.mkv", Tags: map[string]string{"whatever": "x"}}, true},
		{samples.Spec{Name: "surround.mp4", Layout: "5.1"}, false},
		{samples.Spec{Name: "high.mkv", Rate: 96000, Audio: "flac"}, false},
		{samples.Spec{Name: "mp3.mkv", Audio: "libmp3lame"}, false},
		{samples.Spec{Name: "silent.mp4", Audio: "none"}, false},
		{samples.Spec{Name: "backslash.mkv", Tags: map[string]string{"title": "T\\", "artist": "A"}}, false},
		{samples.Spec{Name: "lines.mkv", Tags: map[string]string{"comment": "a\nb"}}, false},
		{samples.Spec{Name: "long tag.mkv", Tags: map[string]string{"comment": strings.Repeat("x", 300)}}, false},
		{samples.Spec{Name: "control.mkv", Tags: map[string]string{"comment": "a\x01b"}}, false},
		{samples.Spec{Name: "return.mkv", Tags: map[string]string{"comment": "a\rb\vc\bd"}}, true},
	} {
		t.Run(c.spec.Name, func(t *testing.T) {
			t.Parallel()
			r := convertBothWays(t, makeSample(t, c.spec))
			if (r != nil) != c.quick {
				t.Fatalf("quick %v, want %v", r != nil, c.quick)
			}
			if r == nil {
				return
			}
			got := ffprobe(t, r.out).Format.Tags
			title := "the title"
			if c.spec.Tags["title"] != "" {
				title = c.spec.Tags["title"]
			}
			if got["title"] != title || got["artist"] != c.spec.Tags["artist"] || got["major_brand"] != "" {
				t.Errorf("tags %v", got)
			}
		})
	}
	t.Run("chapters", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "chapters.mkv")
		meta := filepath.Join(t.TempDir(), "meta.txt")
		text := ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=3000\ntitle=Two\n"
		if err := os.WriteFile(meta, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		runFFmpeg(t, "-i", makeSample(t, samples.Spec{Name: "plain.mkv"}), "-i", meta, "-map_chapters", "1", "-c", "copy", path)
		r := convertBothWays(t, path)
		if r == nil {
			t.Fatal("not quick")
		}
		if !strings.Contains(streams(t, r.out), `"Two"`) {
			t.Error("chapters lost")
		}
	})
}

// The whole matrix with CONVERSION=all, else one codec of every fourth container.
func TestQuickMatchesPlannedForTheMatrix(t *testing.T) {
	var files, quick atomic.Int64
	t.Run("formats", func(t *testing.T) {
		for n, row := range matrix {
			for i, c := range row.codecs {
				if !long && (i > 0 || n%4 != 0) {
					break
				}
				t.Run(row.container+" "+c.name, func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					path, tagged := filepath.Join(dir, "sample."+row.ext), filepath.Join(dir, "tagged."+row.ext)
					makeFormat(t, path, row.video, c, 3*time.Second)
					// The audio is encoded again: not every format can be copied.
					args := []string{"-i", path, "-map", "0", "-c:v", "copy", "-strict", "-2", "-ar", strconv.Itoa(c.rate)}
					args = append(args, strings.Fields("-c:a "+c.args)...)
					runFFmpeg(t, append(args, "-metadata", "title=A title", "-metadata", "artist=An artist",
						"-metadata", "language=deu", "-metadata:s:a", "album=An album", tagged)...)
					for _, path := range []string{path, tagged} {
						files.Add(1)
						if convertBothWays(t, path) != nil {
							quick.Add(1)
						}
					}
				})
			}
		}
	})
	t.Logf("%d of %d files are eligible for a quick conversion", quick.Load(), files.Load())
	if quick.Load() == 0 {
		t.Error("none")
	}
}

func TestNotQuick(t *testing.T) {
	c := newConverter(t)
	in := fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"}))
	if newRun(t, c, in, conversion.Options{Bitrate: 192}).convertQuick(t.Context()) {
		t.Error("with options")
	}
	in.Size = quickSize + 1
	if newRun(t, c, in, conversion.Options{}).convertQuick(t.Context()) {
		t.Error("of a large video")
	}
}

// A video that several encoders convert faster is not started with one.
func TestNotQuickWhereParallelEncodingPays(t *testing.T) {
	path := makeSample(t, samples.Spec{Name: "long.m4a", Video: "none", Seconds: 300, Tags: map[string]string{"title": "Long"}})
	r := newRun(t, newConverter(t), fileInput(t, path), conversion.Options{})
	r.cores = 2
	r.progress = func(percent int) { t.Errorf("progress %d%%", percent) }
	if r.convertQuick(t.Context()) {
		t.Error("converted by one encoder")
	}
}

// BenchmarkConvert compares both ways for a video of 30 seconds. FFMPEG and
// FFPROBE select other programs than those in the path.
func BenchmarkConvert(b *testing.B) {
	c := newConverter(b, func(cfg *Config) {
		cfg.FFmpeg, cfg.FFprobe = cmp.Or(os.Getenv("FFMPEG"), cfg.FFmpeg), cmp.Or(os.Getenv("FFPROBE"), cfg.FFprobe)
	})
	in := fileInput(b, makeSample(b, samples.Spec{Name: "bench.mp4", Seconds: 30}))
	b.Run("quick", func(b *testing.B) {
		for b.Loop() {
			if r := newRun(b, c, in, conversion.Options{}); !r.convertQuick(b.Context()) {
				b.Fatal("not quick")
			}
		}
	})
	b.Run("planned", func(b *testing.B) {
		for b.Loop() {
			if err := newRun(b, c, in, conversion.Options{}).convertPlanned(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestFFMetadata(t *testing.T) {
	if got, want := string(ffmetadata([]tag{{"title", "a=b;c#d"}})), ";FFMETADATA1\ntitle=a\\=b\\;c\\#d\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzParseDump(f *testing.F) {
	f.Add("Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'x':\n  Metadata:\n    title           : T\n  Duration: 00:00:30.00, start: 0.000000, bitrate: 3144 kb/s\n" +
		"  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, stereo, fltp, 128 kb/s (default)\n")
	f.Add("Input #0, ogg, from 'x':\n  Duration: 00:00:03.01, start: 0.000000, bitrate: 76 kb/s\n  Stream #0:0: Audio: opus, 48000 Hz, mono, fltp\n    Metadata:\n      artist          : Me\n")
	r := &conversionRun{Config: Config{Bitrate: 192, MaxDuration: time.Hour}, cores: 1}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseDump([]byte(text))
		if err != nil || r.checkQuick(p) != nil {
			return
		}
		if p.audio.rate() < 32000 || p.audio.Channels < 1 || p.duration() <= 0 || strings.Contains(p.audio.Codec, "\n") {
			t.Errorf("eligible: %+v", p)
		}
	})
}
