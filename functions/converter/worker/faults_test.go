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
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/functions/converter/sandbox/sandboxtest"
	"mp3converter/shared/conversion"
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
			t.Fatalf("never happened: %s", what)
		}
	}
}

// hang replaces ffmpeg by a program that never ends, and returns its path.
func (b *bench) hang(t testing.TB) (program string) {
	t.Helper()
	b.config.FFmpeg = sandboxtest.Program(t, "hang")
	return b.config.FFmpeg
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

func TestCancelledJobEndsFFmpegAndLeavesNothing(t *testing.T) {
	b := newBench(t)
	program := b.hang(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	done := make(chan error, 1)
	go func() { done <- b.Convert(context.Background(), j.ID) }()
	waitForProcess(t, program)
	if _, err := b.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error { return j.Cancel(policy, time.Now()) }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("a cancelled job asks for another wake-up: %v", err)
	}
	allDead(t, program)
	if got := b.get(t, j.ID); got.State != jobs.Cancelled {
		t.Errorf("state %s", got.State)
	}
	if err := b.videos.Delete(t.Context(), j.Video.ID); err != nil { // the gateway's part
		t.Fatal(err)
	}
	b.nothingLeft(t, 0)
}

func TestStoppingConverterGivesItsJobsBack(t *testing.T) {
	b := newBench(t)
	stop, cancel := context.WithCancel(context.Background())
	b.stop = stop
	program := b.hang(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	done := make(chan error, 1)
	go func() { done <- b.Convert(context.Background(), j.ID) }()
	waitForProcess(t, program)
	cancel()
	if err := <-done; err == nil {
		t.Error("no other wake-up asked for")
	}
	allDead(t, program)
	if got := b.get(t, j.ID); got.State != jobs.Queued || got.Attempts != 0 {
		t.Errorf("state %s after %d attempts, want queued after none", got.State, got.Attempts)
	}
}

func TestTimeLimit(t *testing.T) {
	b := newBench(t)
	program := b.hang(t)
	b.config.MaxTime = 300 * time.Millisecond
	j := b.upload(t, shortVideo(t), "short.mp4")
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	allDead(t, program)
	if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != "time_limit" {
		t.Errorf("state %s, failure %v", got.State, got.Failure)
	}
	b.nothingLeft(t, 0)
}

func TestTooLong(t *testing.T) {
	b := newBench(t)
	b.config.MaxDuration = 2 * time.Second
	j := b.upload(t, shortVideo(t), "short.mp4")
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != "too_long" {
		t.Errorf("state %s, failure %v", got.State, got.Failure)
	}
	b.nothingLeft(t, 0)
}

func TestWakeUpsThatHaveNothingToDo(t *testing.T) {
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

// Many wake-ups for one job at once are one conversion.
func TestDoubledWakeUps(t *testing.T) {
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

// A worker that was taken for dead comes second: its MP3 goes.
func TestLoserOfTheRaceDeletesItsMP3(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	b.audio2(afterPut{b.Converter.audio, func() {
		if _, err := b.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error {
			j.Lease.Holder = "the winner"
			return nil
		}); err != nil {
			t.Error(err)
		}
	}})
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Converting || got.Audio.ID != "" {
		t.Errorf("the loser changed the record: %+v", got)
	}
	if err := b.videos.Delete(t.Context(), j.Video.ID); err != nil {
		t.Fatal(err)
	}
	b.nothingLeft(t, 0)
}

func (b *bench) audio2(s media.Store) { b.Converter.audio = s }

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
	return media.Object{}, errors.New("store is away")
}

// served hides that a video is a file, as a store without files does.
type served struct{ media.Store }

func (s served) Open(ctx context.Context, id string) (media.Object, io.ReadSeekCloser, error) {
	o, r, err := s.Store.Open(ctx, id)
	if err != nil {
		return o, nil, err
	}
	return o, struct{ io.ReadSeekCloser }{r}, nil
}

// breaking fails in the middle of a video.
type breaking struct{ media.Store }

func (s breaking) Open(ctx context.Context, id string) (media.Object, io.ReadSeekCloser, error) {
	o, r, err := s.Store.Open(ctx, id)
	if err != nil {
		return o, nil, err
	}
	return o, &breakingReader{r, 0}, nil
}

type breakingReader struct {
	io.ReadSeekCloser
	n int
}

func (r *breakingReader) Read(p []byte) (int, error) {
	if r.n > 4096 {
		return 0, errors.New("database is away")
	}
	n, err := r.ReadSeekCloser.Read(p[:min(len(p), 1024)])
	r.n += n
	return n, err
}

// halved fails in the second half of a video.
type halved struct{ media.Store }

func (s halved) Open(ctx context.Context, id string) (media.Object, io.ReadSeekCloser, error) {
	o, r, err := s.Store.Open(ctx, id)
	if err != nil {
		return o, nil, err
	}
	return o, halvedReader{r, o.Size / 2}, nil
}

type halvedReader struct {
	io.ReadSeekCloser
	until int64
}

func (r halvedReader) Read(p []byte) (int, error) {
	at, err := r.Seek(0, io.SeekCurrent)
	if err == nil && at >= r.until {
		err = errors.New("database is away")
	}
	if err != nil {
		return 0, err
	}
	return r.ReadSeekCloser.Read(p[:min(int64(len(p)), r.until-at)])
}

// A stream does not say how long it is: half of it looks like a whole one.
func TestHalfAVideoIsNotTakenForAWholeOne(t *testing.T) {
	b := newBench(t)
	b.Converter.videos = halved{b.Converter.videos}
	j := b.upload(t, makeSample(t, samples.Spec{Name: "stream.ts", Video: "mpeg2video", Audio: "mp2", Rate: 48000}), "stream.ts")
	if err := b.Convert(t.Context(), j.ID); err == nil {
		t.Error("no other wake-up asked for")
	}
	if got := b.get(t, j.ID); got.State != jobs.Queued {
		t.Errorf("state %s, failure %v", got.State, got.Failure)
	}
}

func TestVideoServedToFFmpeg(t *testing.T) {
	for _, spec := range []samples.Spec{
		{Name: "index at the end.mp4", Seconds: 8, Picture: "1280x720"},
		{Name: "stream.ts", Video: "mpeg2video", Audio: "mp2", Rate: 48000},
		{Name: "a.mkv"},
	} {
		t.Run(spec.Name, func(t *testing.T) {
			b := newBench(t)
			b.Converter.videos = served{b.Converter.videos}
			j := b.upload(t, makeSample(t, spec), spec.Name)
			if err := b.Convert(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			if got := b.get(t, j.ID); got.State != jobs.Done {
				t.Errorf("state %s, failure %v", got.State, got.Failure)
			}
			b.nothingLeft(t, 1)
		})
	}
}

// What is not the video's fault is tried again, and not for ever.
func TestPassingErrorsAreRetriedAndThenGivenUp(t *testing.T) {
	for name, breakIt := range map[string]func(*bench){
		"store away while reading": func(b *bench) { b.Converter.videos = breaking{b.Converter.videos} },
		"store away while writing": func(b *bench) { b.Converter.audio = brokenPut{b.Converter.audio} },
		"ffmpeg shot": func(b *bench) {
			b.config.FFmpeg = sandboxtest.Program(t, "shot")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			breakIt(b)
			j := b.upload(t, makeSample(t, samples.Spec{Name: "a.mkv", Seconds: 5}), "a.mkv")
			for n := 1; n <= policy.MaxAttempts; n++ {
				if err := b.Convert(t.Context(), j.ID); err == nil {
					t.Fatalf("attempt %d: no other wake-up asked for", n)
				}
				if got := b.get(t, j.ID); got.State != jobs.Queued || got.Attempts != n {
					t.Fatalf("state %s, failure %v after %d attempts, want queued after %d", got.State, got.Failure, got.Attempts, n)
				}
			}
			if err := b.Convert(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != "attempts_exhausted" {
				t.Errorf("state %s, failure %v", got.State, got.Failure)
			}
			b.nothingLeft(t, 0)
		})
	}
}

func TestVideoGone(t *testing.T) {
	b := newBench(t)
	j := b.upload(t, shortVideo(t), "short.mp4")
	if err := b.videos.Delete(t.Context(), j.Video.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, j.ID); got.State != jobs.Failed || got.Failure.Code != "video_missing" {
		t.Errorf("state %s, failure %v", got.State, got.Failure)
	}
}

// What the source of the queue is told.
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
		t.Errorf("full: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}

// The request may go; the work goes on.
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

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":1,"codec_type":"audio","codec_name":"aac","sample_rate":"44100","channels":2,"duration":"1.0"}],"format":{"format_name":"mov,mp4","duration":"1.0"}}`))
	f.Add([]byte(`{"streams":[],"format":{}}`))
	f.Add([]byte(`{"streams":[{"codec_type":"audio","sample_rate":"1e9","channels":-1,"tags":{"DURATION":"99999:99:1e300"}}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		p, err := parseProbe(answer, "")
		if err != nil {
			var failure *conversion.Failure
			if !errors.As(err, &failure) {
				t.Fatalf("error without a code: %v", err)
			}
			return
		}
		if p.duration() < 0 || p.expected() < 0 || p.audio.rate() <= 0 || p.audio.Channels <= 0 {
			t.Errorf("nonsense let through: %+v", p)
		}
		plan, err := newPlan(p, conversion.Options{}, 192, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range plan.tagArgs("title") {
			if strings.ContainsRune(arg, 0) || len(arg) > maxTag+20 {
				t.Errorf("argument %q", arg)
			}
		}
	})
}

func FuzzProgress(f *testing.F) {
	f.Add([]byte("out_time_us=1500000\nprogress=continue\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		p := &progressLines{total: 3 * time.Second, set: func(part float64) {
			if !(part >= 0 && part <= 1) {
				t.Errorf("progress %v", part)
			}
		}}
		if _, err := p.Write(lines); err != nil {
			t.Error(err)
		}
	})
}
