package worker

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/shared/queue"
	"mp3converter/test/samples"
)

var policy = jobs.Policy{MaxAttempts: 3, Lease: 4 * time.Second, Wake: time.Minute, WakeMax: time.Hour, Retention: time.Hour}

// bench is a converter with everything it needs.
type bench struct {
	*Converter
	dir           string
	jobs          jobs.Store
	videos, audio *disk.Store
	published     *[]string
}

// recordingQueue records the wake-ups as "queue job".
type recordingQueue struct{ events []string }

func (q *recordingQueue) Wake(_ context.Context, to queue.Queue, jobID string) error {
	q.events = append(q.events, to.Name+" "+jobID)
	return nil
}

func newBench(t testing.TB) *bench {
	t.Helper()
	dir := t.TempDir()
	store, err := sqlite.Open(filepath.Join(dir, "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b := &bench{dir: dir, jobs: store, videos: openDisk(t, dir, "videos"), audio: openDisk(t, dir, "mp3")}
	q := &recordingQueue{}
	b.published = &q.events
	temp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := Config{FFmpeg: "ffmpeg", FFprobe: "ffprobe", Conversions: 4, Bitrate: 192, MaxDuration: time.Hour,
		MaxTime: time.Minute, MaxMemory: 4 << 30, TempDir: temp, Policy: policy}
	b.Converter, err = New(t.Context(), cfg, store, b.videos, b.audio, q)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openDisk(t testing.TB, dir, name string) *disk.Store {
	t.Helper()
	s, err := disk.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// upload stores a video and its job as the gateway does.
func (b *bench) upload(t testing.TB, path, name string) jobs.Job {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	j := jobs.Job{ID: id.New(), Owner: "u1", Name: name}
	o, err := b.videos.Put(t.Context(), media.Object{ID: id.New(), Job: j.ID, Name: name}, f)
	if err != nil {
		t.Fatal(err)
	}
	j.Video = jobs.File{ID: o.ID, Size: o.Size}
	j.Enqueue(policy, time.Now())
	if err := b.jobs.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return j
}

func (b *bench) get(t testing.TB, id string) jobs.Job {
	t.Helper()
	j, err := b.jobs.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// mp3Of copies the MP3 of a job to a file.
func (b *bench) mp3Of(t testing.TB, j jobs.Job) string {
	t.Helper()
	_, r, err := b.audio.Open(t.Context(), j.Audio.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := filepath.Join(t.TempDir(), "out.mp3")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		t.Fatal(err)
	}
	return path
}

// nothingLeft fails the test if files remain that no job needs.
func (b *bench) nothingLeft(t testing.TB, wantAudio int) {
	t.Helper()
	for name, want := range map[string]int{"videos": 0, "mp3": wantAudio} {
		s := b.videos
		if name == "mp3" {
			s = b.audio
		}
		objects, err := s.List(context.Background(), time.Now().Add(time.Hour), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(objects) != want {
			t.Errorf("%d objects in %s, want %d", len(objects), name, want)
		}
	}
	left, err := os.ReadDir(filepath.Join(b.dir, "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func makeSample(t testing.TB, s samples.Spec) string {
	t.Helper()
	path, err := s.Path(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// probed is what ffprobe says of an MP3.
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
			b := newBench(t)
			j := b.upload(t, makeSample(t, c.spec), c.spec.Name)
			if err := b.Convert(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			j = b.get(t, j.ID)
			if j.State != jobs.Done || j.Progress != 100 || j.Attempts != 1 {
				t.Fatalf("state %s, failure %v, progress %d, attempts %d", j.State, j.Failure, j.Progress, j.Attempts)
			}
			path := b.mp3Of(t, j)
			p := ffprobe(t, path)
			if len(p.Streams) != 1 || p.Streams[0].Codec != "mp3" || p.Streams[0].Rate != strconv.Itoa(c.rate) || p.Streams[0].Channels != c.channels {
				t.Errorf("streams %+v, want one MP3 of %d Hz and %d channels", p.Streams, c.rate, c.channels)
			}
			if d, _ := strconv.ParseFloat(p.Format.Duration, 64); math.Abs(d-3) > 0.1 {
				t.Errorf("duration %s s, want 3", p.Format.Duration)
			}
			if want := j.Title(); p.Format.Tags["title"] != want {
				t.Errorf("title %q, want %q", p.Format.Tags["title"], want)
			}
			if fi, err := os.Stat(path); err != nil || fi.Size() != j.Audio.Size {
				t.Errorf("record says %d bytes, the file has %v", j.Audio.Size, fi)
			}
			head, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !hasLengthHeader(head) {
				t.Error("no Xing/Info header: players would guess the length")
			}
			if len(*b.published) != 1 || (*b.published)[0] != "mp3 "+j.ID {
				t.Errorf("published %v, want one event about the job", *b.published)
			}
			b.nothingLeft(t, 1)
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

func TestTagsOfTheSourceWin(t *testing.T) {
	b := newBench(t)
	path := makeSample(t, samples.Spec{Name: "tagged.mp4", Tags: map[string]string{"title": "Ein Lied; \"größer\" = 1", "artist": "Nobody"}})
	j := b.upload(t, path, "file name.mp4")
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	tags := ffprobe(t, b.mp3Of(t, b.get(t, j.ID))).Format.Tags
	if tags["title"] != "Ein Lied; \"größer\" = 1" || tags["artist"] != "Nobody" {
		t.Errorf("tags %v", tags)
	}
	for k := range tags {
		if k == "major_brand" || k == "compatible_brands" {
			t.Errorf("the MP3 carries the video's own %s", k)
		}
	}
}

func TestBadVideosFailOnceAndLeaveNothing(t *testing.T) {
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
			b := newBench(t)
			path := filepath.Join(t.TempDir(), "video.mp4")
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			j := b.upload(t, path, "video.mp4")
			if err := b.Convert(t.Context(), j.ID); err != nil {
				t.Fatalf("a bad video asks for another wake-up: %v", err)
			}
			j = b.get(t, j.ID)
			if j.State != jobs.Failed || j.Failure.Code != c.want.Code || j.Attempts != 1 {
				t.Errorf("state %s, failure %v, attempts %d; want %s after one", j.State, j.Failure, j.Attempts, c.want.Code)
			}
			if len(*b.published) != 1 {
				t.Errorf("%d events published, want 1", len(*b.published))
			}
			b.nothingLeft(t, 0)
		})
	}
}
