package ffmpeg

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

func newConverter(t testing.TB, change ...func(*Config)) *Converter {
	t.Helper()
	cfg := Config{FFmpeg: "ffmpeg", FFprobe: "ffprobe", Bitrate: 192, MaxDuration: time.Hour,
		MaxTime: time.Minute, MaxMemory: 4 << 30, TempDir: t.TempDir()}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fileInput returns an input that ffmpeg reads as a file.
func fileInput(t testing.TB, path string) Input {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Title: "the title", Size: info.Size(), Open: func(context.Context) (io.ReadSeekCloser, error) { return os.Open(path) }}
}

// servedInput returns the input as one that ffmpeg reads over HTTP.
func servedInput(in Input) Input {
	open := in.Open
	in.Open = func(ctx context.Context) (io.ReadSeekCloser, error) {
		r, err := open(ctx)
		return struct{ io.ReadSeekCloser }{r}, err
	}
	return in
}

// convertInput returns a copy of the MP3 and checks that no files remain.
func convertInput(t testing.TB, c *Converter, in Input, o conversion.Options) (*conversion.MediaInfo, string, error) {
	t.Helper()
	result, err := c.Convert(t.Context(), in, o, func(percent int) {
		if percent < 0 || percent > 100 {
			t.Errorf("progress %d%%", percent)
		}
	})
	out := filepath.Join(t.TempDir(), "out.mp3")
	if err == nil {
		content, readErr := io.ReadAll(result.MP3)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err := os.WriteFile(out, content, 0o600); err != nil {
			t.Fatal(err)
		}
	} else if result.MP3 != nil {
		t.Error("an MP3 was returned with an error")
	}
	result.Close()
	if _, err := os.Stat(result.dir.path); !os.IsNotExist(err) {
		t.Errorf("working directory not removed: %v", err)
	}
	return result.MediaInfo, out, err
}

func convertFile(t testing.TB, path string, o conversion.Options) (*conversion.MediaInfo, string, error) {
	t.Helper()
	return convertInput(t, newConverter(t), fileInput(t, path), o)
}

func openVideo(t testing.TB, video Input, clock *stopwatch) *input {
	t.Helper()
	in, err := openInput(t.Context(), &storeReads{open: video.Open, clock: clock, stall: stallTimeout, cancel: func(cause error) { t.Error(cause) }})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// newRun returns a conversion that has opened the video.
func newRun(t testing.TB, c *Converter, video Input, o conversion.Options) *conversionRun {
	t.Helper()
	clock := newStopwatch()
	in := openVideo(t, video, clock)
	t.Cleanup(in.close)
	dir := t.TempDir()
	return &conversionRun{Config: c.config, memory: c.memory, cores: c.cores(), dir: dir, out: filepath.Join(dir, "out.mp3"), clock: clock,
		title: video.Title, size: video.Size, options: o, input: in, progress: func(int) {}}
}

func makeSample(t testing.TB, s samples.Spec) string {
	t.Helper()
	path, err := s.Path(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// probed is ffprobe's output for an MP3.
type probed struct {
	Streams []struct {
		Codec    string `json:"codec_name"`
		Rate     string `json:"sample_rate"`
		Channels int    `json:"channels"`
	} `json:"streams"`
	Format struct {
		Name     string            `json:"format_name"`
		Duration string            `json:"duration"`
		BitRate  string            `json:"bit_rate"`
		Tags     map[string]string `json:"tags"`
	} `json:"format"`
}

func ffprobe(t testing.TB, path string) probed {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", path).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	var p probed
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		spec     samples.Spec
		rate     int
		channels int
	}{
		{samples.Spec{Name: "index at the end.mp4"}, 44100, 2},
		{samples.Spec{Name: "index at the start.mp4", Format: []string{"-movflags", "+faststart"}}, 44100, 2},
		{samples.Spec{Name: "fragmented.mp4", Format: []string{"-movflags", "+frag_keyframe+empty_moov"}}, 44100, 2},
		{samples.Spec{Name: "opus.webm", Rate: 48000, Video: "libvpx -deadline realtime", Audio: "libopus -b:a 96k"}, 48000, 2},
		{samples.Spec{Name: "mp3.mkv", Audio: "libmp3lame -b:a 128k"}, 44100, 2},
		{samples.Spec{Name: "divx.avi", Video: "mpeg4", Audio: "libmp3lame -b:a 128k"}, 44100, 2},
		{samples.Spec{Name: "pcm.mov", Audio: "pcm_s16le"}, 44100, 2},
		{samples.Spec{Name: "broadcast.ts", Video: "mpeg2video", Audio: "mp2 -b:a 192k", Rate: 48000}, 48000, 2},
		{samples.Spec{Name: "surround.mp4", Layout: "5.1", Rate: 48000}, 48000, 2},
		{samples.Spec{Name: "mono.mp4", Layout: "mono"}, 44100, 1},
		{samples.Spec{Name: "high.mkv", Rate: 96000, Audio: "flac"}, 48000, 2},
		{samples.Spec{Name: "high44.mkv", Rate: 88200, Audio: "flac"}, 44100, 2},
		{samples.Spec{Name: "low.mkv", Rate: 22050, Audio: "flac"}, 44100, 2},
		{samples.Spec{Name: "telephone.mov", Rate: 8000, Layout: "mono", Audio: "pcm_mulaw"}, 32000, 1},
		{samples.Spec{Name: "no picture.m4a", Video: "none"}, 44100, 2},
	} {
		t.Run(c.spec.Name, func(t *testing.T) {
			t.Parallel()
			_, path, err := convertFile(t, makeSample(t, c.spec), conversion.Options{})
			if err != nil {
				t.Fatal(err)
			}
			p := ffprobe(t, path)
			if len(p.Streams) != 1 || p.Streams[0].Codec != "mp3" || p.Streams[0].Rate != strconv.Itoa(c.rate) || p.Streams[0].Channels != c.channels {
				t.Errorf("streams %+v, want one MP3 of %d Hz and %d channels", p.Streams, c.rate, c.channels)
			}
			if d, _ := strconv.ParseFloat(p.Format.Duration, 64); math.Abs(d-3) > 0.1 {
				t.Errorf("duration %s s, want 3", p.Format.Duration)
			}
			if want := "the title"; p.Format.Tags["title"] != want {
				t.Errorf("title %q, want %q", p.Format.Tags["title"], want)
			}
			head, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !hasLengthHeader(head) {
				t.Error("no Xing/Info header: players would have to estimate the length")
			}
		})
	}
}

func hasLengthHeader(mp3 []byte) bool {
	head := string(mp3[:min(len(mp3), 64<<10)])
	for _, mark := range []string{"Xing", "Info"} {
		for i := 0; i+4 <= len(head); i++ {
			if head[i:i+4] == mark {
				return true
			}
		}
	}
	return false
}

func TestSourceTagsTakePrecedence(t *testing.T) {
	path := makeSample(t, samples.Spec{Name: "tagged.mp4", Tags: map[string]string{"title": "Ein Lied; \"größer\" = 1", "artist": "Nobody"}})
	_, out, err := convertFile(t, path, conversion.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tags := ffprobe(t, out).Format.Tags
	if tags["title"] != "Ein Lied; \"größer\" = 1" || tags["artist"] != "Nobody" {
		t.Errorf("tags %v", tags)
	}
	for k := range tags {
		if k == "major_brand" || k == "compatible_brands" {
			t.Errorf("the MP3 contains the tag %s of the video", k)
		}
	}
}

func TestUnconvertibleVideos(t *testing.T) {
	good := makeSample(t, samples.Spec{Name: "good.mp4", Seconds: 10})
	early := makeSample(t, samples.Spec{Name: "early.mp4", Seconds: 10, Format: []string{"-movflags", "+faststart"}})
	mkv := makeSample(t, samples.Spec{Name: "good.mkv", Seconds: 10})
	cut := func(path string, part float64) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b[:int(float64(len(b))*part)]
	}
	silent := makeSample(t, samples.Spec{Name: "silent.mp4", Audio: "none"})
	for name, c := range map[string]struct {
		content []byte
		want    *conversion.Failure
	}{
		"text":                      {[]byte("hello, I am a video\n"), conversion.Unsupported},
		"a cut MP4, index lost":     {cut(good, .5), conversion.Corrupt},
		"a cut MP4, index first":    {cut(early, .5), conversion.Corrupt},
		"a cut MKV":                 {cut(mkv, .5), conversion.Corrupt},
		"only the header of an MP4": {cut(early, .02), conversion.Corrupt},
		"no sound":                  {cut(silent, 1), conversion.NoAudio},
		"a playlist":                {[]byte("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hosts\n#EXT-X-ENDLIST\n"), conversion.Unsupported},
		"a list of files":           {[]byte("ffconcat version 1.0\nfile /etc/hosts\n"), conversion.Unsupported},
		"an MPD":                    {[]byte(`<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>`), conversion.Unsupported},
		"zeros":                     {make([]byte, 100_000), conversion.Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "video.mp4")
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := convertFile(t, path, conversion.Options{}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %s", err, c.want.Code)
			}
		})
	}
}

func TestMaxDuration(t *testing.T) {
	c := newConverter(t, func(cfg *Config) { cfg.MaxDuration = 2 * time.Second })
	if _, _, err := convertInput(t, c, fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"})), conversion.Options{}); !errors.Is(err, conversion.TooLong) {
		t.Errorf("error %v, want too_long", err)
	}
}

func runFFmpeg(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v: %s", args, err, out)
	}
}
