package worker

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/functions/converter/ffmpeg"
	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/shared/queue"
	"mp3converter/test/samples"
)

var policy = jobs.Policy{MaxAttempts: 3, MaxDeaths: 3, MaxAge: 24 * time.Hour, RetryMax: 10 * time.Second, Lease: 4 * time.Second, Wake: time.Minute, WakeMax: time.Hour, Retention: time.Hour, UploadTTL: time.Hour}

// bench is a worker with its stores and a queue.
type bench struct {
	*Worker
	dir           string
	jobs          *clockStore
	videos, audio *disk.Store
	published     *[]string
}

// clockStore is a store whose clock the test moves.
type clockStore struct {
	jobs.Store
	offset time.Duration
}

func (s *clockStore) Now() time.Time { return s.Store.Now().Add(s.offset) }

// recordingQueue records the wake-ups as "queue job".
type recordingQueue struct{ events []string }

func (q *recordingQueue) Wake(_ context.Context, to queue.Queue, jobID string) error {
	q.events = append(q.events, to.Name+" "+jobID)
	return nil
}

func newBench(t testing.TB, change ...func(*ffmpeg.Config)) *bench {
	t.Helper()
	dir := t.TempDir()
	store, err := sqlite.Open(filepath.Join(dir, "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b := &bench{dir: dir, jobs: &clockStore{Store: store}, videos: openDisk(t, dir, "videos"), audio: openDisk(t, dir, "mp3")}
	q := &recordingQueue{}
	b.published = &q.events
	temp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Conversions: 4, Policy: policy, FFmpeg: ffmpeg.Config{FFmpeg: "ffmpeg", FFprobe: "ffprobe", Bitrate: 192,
		MaxDuration: time.Hour, MaxTime: time.Minute, MaxMemory: 4 << 30, TempDir: temp}}
	for _, f := range change {
		f(&cfg.FFmpeg)
	}
	b.Worker, err = New(t.Context(), 0, cfg, b.jobs, b.videos, b.audio, q)
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

func TestConvert(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	j = b.get(t, j.ID)
	if j.State != jobs.Done || j.Progress != 100 || j.Attempts != 1 {
		t.Fatalf("state %s, failure %v, progress %d, attempts %d", j.State, j.Failure, j.Progress, j.Attempts)
	}
	if j.MediaInfo == nil || j.MediaInfo.Codec != "aac" {
		t.Errorf("media info %+v", j.MediaInfo)
	}
	o, r, err := b.audio.Open(t.Context(), j.Audio.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil || int64(len(content)) != j.Audio.Size || o.Name != j.AudioName() || !bytes.HasPrefix(content, []byte("ID3")) || !bytes.Contains(content, []byte("short")) {
		t.Errorf("MP3 %q of %d bytes, record %+v, %v", o.Name, len(content), j.Audio, err)
	}
	if len(*b.published) != 1 || (*b.published)[0] != "mp3 "+j.ID {
		t.Errorf("published %v, want one event about the job", *b.published)
	}
	b.nothingLeft(t, 1)
}

func TestOptionsOfTheJob(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	if _, err := b.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error { j.Options.Track = "3"; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != "no_such_track" || got.Attempts != 1 {
		t.Errorf("state %s, failure %v", got.State, got.Failure)
	}
	b.nothingLeft(t, 0)
}

func TestUnconvertibleVideoFailsOnce(t *testing.T) {
	silent, err := os.ReadFile(makeSample(t, samples.Spec{Name: "silent.mp4", Audio: "none"}))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    *conversion.Failure
	}{
		"text":         {[]byte("hello, I am a video\n"), conversion.Unsupported},
		"a cut MP4":    {silent[:len(silent)/2], conversion.Corrupt},
		"no sound":     {silent, conversion.NoAudio},
		"an empty one": {nil, conversion.Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			path := filepath.Join(t.TempDir(), "video.mp4")
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			j := b.upload(t, path, "video.mp4")
			if err := b.Convert(t.Context(), j.ID); err != nil {
				t.Fatalf("redelivery of an unconvertible video: %v", err)
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

// The job says how much of a cut-off video is missing.
func TestSalvage(t *testing.T) {
	whole, err := samples.Spec{Name: "first.mp4", Seconds: 10, Format: []string{"-movflags", "+faststart"}}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.mp4")
	if err := os.WriteFile(path, whole[:len(whole)*6/10], 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	for _, want := range []jobs.State{jobs.Failed, jobs.Done} {
		j := b.upload(t, path, "cut.mp4")
		if _, err := b.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error { j.Options.Salvage = want == jobs.Done; return nil }); err != nil {
			t.Fatal(err)
		}
		if err := b.Convert(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		j = b.get(t, j.ID)
		if j.State != want || j.Attempts != 1 {
			t.Errorf("state %s after %d attempts, failure %v, want %s", j.State, j.Attempts, j.Failure, want)
		}
		if want == jobs.Done && (j.MediaInfo.Missing < 3*time.Second || j.MediaInfo.Missing > 5*time.Second || (j.MediaInfo.Duration+j.MediaInfo.Missing-10*time.Second).Abs() > 200*time.Millisecond) {
			t.Errorf("%v of sound, %v missing, want 6 s and 4 s", j.MediaInfo.Duration, j.MediaInfo.Missing)
		}
	}
	b.nothingLeft(t, 1)
}
