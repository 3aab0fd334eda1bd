package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/functions/converter/ffmpeg"
	"mp3converter/functions/converter/sandbox/sandboxtest"
	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/test/samples"
)

// eventually waits for a condition of another process or goroutine.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timeout waiting for %s", what)
		}
	}
}

// program returns an option that replaces ffmpeg with a test program.
func program(path string) func(*ffmpeg.Config) {
	return func(cfg *ffmpeg.Config) { cfg.FFmpeg = path }
}

func waitForProcess(t testing.TB, program string) {
	t.Helper()
	eventually(t, "start of "+program, func() bool { return running(t, program) > 0 })
}

// allDead fails the test if a process of the program is alive.
func allDead(t testing.TB, program string) {
	t.Helper()
	eventually(t, "death of "+program, func() bool { return running(t, program) == 0 })
}

// running counts the processes of a program.
func running(t testing.TB, program string) (n int) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && exe == program {
			n++
		}
	}
	return n
}

func shortVideo(t testing.TB) string {
	return makeSample(t, samples.Spec{Name: "short.mp4"})
}

func TestCancellationKillsFFmpegAndRemovesFiles(t *testing.T) {
	hang := sandboxtest.Program(t, "hang")
	b := newBench(t, program(hang))
	j := b.upload(t, shortVideo(t), "short.mp4")
	done := b.start(j.ID)
	waitForProcess(t, hang)
	if _, err := b.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error { return j.Cancel(policy, time.Now()) }); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, done); err != nil {
		t.Errorf("redelivery of a cancelled job: %v", err)
	}
	allDead(t, hang)
	if got := b.get(t, j.ID); got.State != jobs.Cancelled {
		t.Errorf("state %s", got.State)
	}
	if err := b.videos.Delete(t.Context(), j.Video.ID); err != nil { // as the gateway does
		t.Fatal(err)
	}
	b.nothingLeft(t, 0)
}

// An attempt ends before another worker may claim the job.
func TestStoreAwayPastTheLease(t *testing.T) {
	hang := sandboxtest.Program(t, "hang")
	b := newBench(t, program(hang))
	j := b.upload(t, shortVideo(t), "short.mp4")
	broken := &brokenUpdates{Store: b.Worker.jobs}
	b.Worker.jobs = broken
	done := b.start(j.ID)
	waitForProcess(t, hang)
	broken.away.Store(true)
	allDead(t, hang)
	broken.away.Store(false)
	if err := ended(t, done); err != nil {
		t.Errorf("redelivery, although the record has a pause: %v", err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Queued || got.Attempts != 0 || got.Retries != 1 {
		t.Errorf("state %s, %d attempts, %d retries, want queued, 0, 1", got.State, got.Attempts, got.Retries)
	}
}

// brokenUpdates is a store that cannot be written while it is away.
type brokenUpdates struct {
	jobs.Store
	away atomic.Bool
}

func (s *brokenUpdates) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	if s.away.Load() {
		return jobs.Job{}, errors.New("store is away")
	}
	return s.Store.Update(ctx, id, change)
}

// start starts a conversion.
func (b *bench) start(jobID string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- b.Convert(context.Background(), jobID) }()
	return done
}

// ended waits for the end of a conversion that a test has interrupted. The test
// program that hangs ends by itself after two minutes.
func ended(t testing.TB, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(40 * time.Second):
		t.Fatal("the conversion goes on")
		return nil
	}
}

func TestStopReleasesJobs(t *testing.T) {
	hang := sandboxtest.Program(t, "hang")
	b := newBench(t, program(hang))
	stop, cancel := context.WithCancel(context.Background())
	b.shutdown = stop
	j := b.upload(t, shortVideo(t), "short.mp4")
	done := b.start(j.ID)
	waitForProcess(t, hang)
	cancel()
	if err := ended(t, done); err == nil {
		t.Error("no error, so no redelivery")
	}
	allDead(t, hang)
	if got := b.get(t, j.ID); got.State != jobs.Queued || got.Attempts != 0 || got.Deaths != 0 {
		t.Errorf("state %s after %d attempts and %d deaths, want queued after 0 and 0", got.State, got.Attempts, got.Deaths)
	}
}

// A worker that is asked to stop says so in the record, so that its death does not
// count, and continues for its grace time.
func TestDrainIsRecorded(t *testing.T) {
	hang := sandboxtest.Program(t, "hang")
	b := newBench(t, program(hang))
	ctx, cancel := context.WithCancel(t.Context())
	worker, err := New(ctx, 2*time.Second, b.config, b.jobs, b.videos, b.audio, b.queue)
	if err != nil {
		t.Fatal(err)
	}
	b.Worker = worker
	j := b.upload(t, shortVideo(t), "short.mp4")
	done := b.start(j.ID)
	waitForProcess(t, hang)
	cancel()
	eventually(t, "the record of the drain", func() bool { return b.get(t, j.ID).Lease.Draining })
	if running(t, hang) == 0 {
		t.Error("the conversion ended before the grace time")
	}
	if err := ended(t, done); err == nil {
		t.Error("no error, so no redelivery")
	}
	if got := b.get(t, j.ID); got.State != jobs.Queued || got.Attempts != 0 || got.Deaths != 0 {
		t.Errorf("state %s after %d attempts and %d deaths, want queued after 0 and 0", got.State, got.Attempts, got.Deaths)
	}
}

func TestTimeLimit(t *testing.T) {
	hang := sandboxtest.Program(t, "hang")
	b := newBench(t, program(hang), func(cfg *ffmpeg.Config) { cfg.MaxTime = time.Second })
	j := b.upload(t, shortVideo(t), "short.mp4")
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	allDead(t, hang)
	if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != "time_limit" {
		t.Errorf("state %s, failure %v", got.State, got.Failure)
	}
	b.nothingLeft(t, 0)
}

func TestTooLong(t *testing.T) {
	b := newBench(t, func(cfg *ffmpeg.Config) { cfg.MaxDuration = 2 * time.Second })
	j := b.upload(t, shortVideo(t), "short.mp4")
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != "too_long" {
		t.Errorf("state %s, failure %v", got.State, got.Failure)
	}
	b.nothingLeft(t, 0)
}

func TestNothingToDo(t *testing.T) {
	b := newBench(t)
	leased := b.upload(t, shortVideo(t), "a.mp4")
	if _, err := b.jobs.Update(t.Context(), leased.ID, func(j *jobs.Job) error { return j.Claim(policy, "other", time.Now()) }); err != nil {
		t.Fatal(err)
	}
	cancelled := b.upload(t, shortVideo(t), "b.mp4")
	if _, err := b.jobs.Update(t.Context(), cancelled.ID, func(j *jobs.Job) error { return j.Cancel(policy, time.Now()) }); err != nil {
		t.Fatal(err)
	}
	for name, job := range map[string]string{"leased": leased.ID, "finished": cancelled.ID, "unknown": id.New()} {
		if err := b.Convert(t.Context(), job); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(*b.published) != 0 {
		t.Errorf("%d events published", len(*b.published))
	}
}

// Concurrent wake-ups for one job start one conversion.
func TestConcurrentWakeUps(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := b.Convert(t.Context(), j.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := b.get(t, j.ID); got.State != jobs.Done || got.Attempts != 1 {
		t.Errorf("state %s after %d attempts", got.State, got.Attempts)
	}
	b.nothingLeft(t, 1)
}

// The lease is lost while the MP3 is being stored.
func TestWorkerWithoutLeaseDeletesItsMP3(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	b.replaceAudio(afterPut{b.Worker.audio, func() {
		if _, err := b.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error {
			j.Lease.Holder = "another worker"
			return nil
		}); err != nil {
			t.Error(err)
		}
	}})
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Converting || got.Audio.ID != "" {
		t.Errorf("record changed without the lease: %+v", got)
	}
	if err := b.videos.Delete(t.Context(), j.Video.ID); err != nil {
		t.Fatal(err)
	}
	b.nothingLeft(t, 0)
}

func (b *bench) replaceAudio(s media.Store) { b.Worker.audio = s }

type afterPut struct {
	media.Store
	then func()
}

func (s afterPut) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	o, err := s.Store.Put(ctx, o, r)
	s.then()
	return o, err
}

type brokenPut struct{ media.Store }

func (brokenPut) Put(context.Context, media.Object, io.Reader) (media.Object, error) {
	return media.Object{}, errors.New("store is unreachable")
}

// breaking is a store whose reads fail in the middle of a video.
type breaking struct {
	media.Store
	err error
}

func (s breaking) Open(ctx context.Context, id string) (media.Object, io.ReadSeekCloser, error) {
	o, r, err := s.Store.Open(ctx, id)
	if err != nil {
		return o, nil, err
	}
	return o, &breakingReader{r, s.err, 0}, nil
}

type breakingReader struct {
	io.ReadSeekCloser
	err error
	n   int
}

func (r *breakingReader) Read(p []byte) (int, error) {
	if r.n > 4096 {
		return 0, r.err
	}
	n, err := r.ReadSeekCloser.Read(p[:min(len(p), 1024)])
	r.n += n
	return n, err
}

// The queue repeats an event as often as it likes; the record decides when the next
// attempt starts. An outage, however long, ends with the job done.
func TestOutageUsesUpNoAttempts(t *testing.T) {
	for name, breakIt := range map[string]func(*bench){
		"read error":    func(b *bench) { b.Worker.videos = breaking{b.Worker.videos, errors.New("database is unreachable")} },
		"video missing": func(b *bench) { b.Worker.videos = breaking{b.Worker.videos, media.ErrNotFound} }, // a stale read
		"write error":   func(b *bench) { b.Worker.audio = brokenPut{b.Worker.audio} },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			videos, audio := b.Worker.videos, b.Worker.audio
			breakIt(b)
			j := b.upload(t, makeSample(t, samples.Spec{Name: "a.mkv", Seconds: 5}), "a.mkv")
			for n := 1; n <= 2*policy.MaxAttempts; n++ {
				for range 3 { // repeats during the pause
					if err := b.Convert(t.Context(), j.ID); err != nil {
						t.Fatalf("attempt %d: the event is not acknowledged: %v", n, err)
					}
				}
				if got := b.get(t, j.ID); got.State != jobs.Queued || got.Retries != n || got.Attempts != 0 {
					t.Fatalf("state %s, failure %v, %d retries, %d attempts, want queued, %d and 0", got.State, got.Failure, got.Retries, got.Attempts, n)
				}
				b.jobs.offset += policy.RetryMax
			}
			b.Worker.videos, b.Worker.audio = videos, audio
			if err := b.Convert(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			if got := b.get(t, j.ID); got.State != jobs.Done {
				t.Errorf("state %s, failure %v after the outage", got.State, got.Failure)
			}
			b.nothingLeft(t, 1)
		})
	}
}

// A failure that the video may have caused is retried a few times.
func TestAttemptsThatCount(t *testing.T) {
	for name, c := range map[string]struct {
		program string
		breakIt func(*bench, jobs.Job) error
		want    string
	}{
		"ffmpeg killed": {sandboxtest.Program(t, "shot"), func(*bench, jobs.Job) error { return nil }, "attempts_exhausted"},
		"bad output":    {sandboxtest.Program(t, "rubbish"), func(*bench, jobs.Job) error { return nil }, "corrupt"},
		"video missing": {"ffmpeg", func(b *bench, j jobs.Job) error { return b.videos.Delete(t.Context(), j.Video.ID) }, "video_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, program(c.program))
			j := b.upload(t, makeSample(t, samples.Spec{Name: "a.mkv", Seconds: 5}), "a.mkv")
			if err := c.breakIt(b, j); err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= policy.MaxAttempts; n++ {
				if got := b.get(t, j.ID); got.State != jobs.Queued || got.Attempts != n-1 {
					t.Fatalf("state %s, failure %v after %d attempts, want queued after %d", got.State, got.Failure, got.Attempts, n-1)
				}
				if err := b.Convert(t.Context(), j.ID); err != nil {
					t.Fatal(err)
				}
				b.jobs.offset += policy.RetryMax
			}
			if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != c.want {
				t.Errorf("state %s, failure %v, want %s", got.State, got.Failure, c.want)
			}
			b.nothingLeft(t, 0)
		})
	}
}

// A video that takes the process down is not retried for ever.
func TestDeathsEndInAnOutcome(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	for n := range policy.MaxDeaths {
		if _, err := b.claimJob(t.Context(), j.ID); err != nil { // and dies
			t.Fatalf("claim %d: %v", n+1, err)
		}
		b.jobs.offset += policy.Lease
	}
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != "attempts_exhausted" || got.Deaths != policy.MaxDeaths {
		t.Errorf("state %s, failure %v, %d deaths", got.State, got.Failure, got.Deaths)
	}
	if len(*b.published) != 1 {
		t.Errorf("published %v, want one event", *b.published)
	}
	b.nothingLeft(t, 0)
}

// An event starts the job whose turn it is, not the one that it names.
func TestOwnersTakeTurns(t *testing.T) {
	b := newBench(t)
	var first []string
	for range 3 {
		first = append(first, b.upload(t, shortVideo(t), "ann.mp4").ID)
	}
	last := b.upload(t, shortVideo(t), "bob.mp4")
	if _, err := b.jobs.Update(t.Context(), last.ID, func(j *jobs.Job) error { j.Owner = "bob"; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, event := range first[:2] {
		if err := b.Convert(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.get(t, last.ID); got.State != jobs.Done {
		t.Errorf("the second owner's job is %s after two conversions, want done", got.State)
	}
}

// The answer of the store is lost after it has recorded the outcome.
func TestAmbiguousOutcomeKeepsTheMP3(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	b.Worker.jobs = &lostAnswer{Store: b.Worker.jobs}
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Done {
		t.Errorf("state %s", got.State)
	}
	if len(*b.published) != 1 {
		t.Errorf("published %v, want one event", *b.published)
	}
	b.nothingLeft(t, 1)
}

// lostAnswer is a store that makes the update to Done, and returns an error.
type lostAnswer struct{ jobs.Store }

func (s *lostAnswer) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	j, err := s.Store.Update(ctx, id, change)
	if err == nil && j.State == jobs.Done {
		return jobs.Job{}, errors.New("connection lost")
	}
	return j, err
}

func TestHandlerStatus(t *testing.T) {
	b := newBench(t)
	good := b.upload(t, shortVideo(t), "short.mp4")
	event := func(eventType, job string) []byte {
		e := events.New(eventType, "test", job)
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	for _, c := range []struct {
		name   string
		body   []byte
		status int
	}{
		{"a job", event(events.VideoUploaded, good.ID), 204},
		{"the same again", event(events.VideoUploaded, good.ID), 204},
		{"an unknown job", event(events.VideoUploaded, id.New()), 204},
		{"another function's event", event(events.JobFinished, good.ID), 400},
		{"a job that cannot be one", event(events.VideoUploaded, "../../etc"), 400},
		{"no event", []byte("{}"), 400},
		{"no JSON", []byte("\x00\xff"), 400},
		{"nothing", nil, 400},
		{"far too much", bytes.Repeat([]byte("x"), events.MaxBytes+1), 400},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", bytes.NewReader(c.body))
		r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
		b.Handler().ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.status)
		}
	}
	b.slots.TryAcquire(b.config.Conversions)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", bytes.NewReader(event(events.VideoUploaded, id.New())))
	r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	b.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("all slots in use: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}

func TestConversionOutlivesItsRequest(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	body, err := json.Marshal(events.New(events.VideoUploaded, "test", j.ID))
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(gone, "POST", "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	b.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if got := b.get(t, j.ID); got.State != jobs.Done {
		t.Errorf("state %s", got.State)
	}
}
