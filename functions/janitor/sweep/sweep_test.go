package sweep

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/shared/queue"
)

var policy = jobs.Policy{MaxAttempts: 3, MaxDeaths: 3, MaxAge: 24 * time.Hour, RetryMax: time.Minute, Lease: time.Minute, Wake: time.Minute, WakeMax: 10 * time.Minute, Retention: 48 * time.Hour, UploadTTL: time.Hour}

type sent struct {
	queue queue.Queue
	job   string
}

// recordingQueue records wake-ups, or fails.
type recordingQueue struct {
	events  []sent
	fail    error
	missing queue.Queue // fails
	tried   int
}

func (p *recordingQueue) Wake(_ context.Context, q queue.Queue, jobID string) error {
	p.tried++
	if p.fail != nil {
		return p.fail
	}
	if q == p.missing {
		return errAway
	}
	p.events = append(p.events, sent{q, jobID})
	return nil
}

type fixture struct {
	*Janitor
	queue *recordingQueue
	dir   string
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	dir := t.TempDir()
	records, err := sqlite.Open(filepath.Join(dir, "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	q := &recordingQueue{}
	videos, err := disk.Open(filepath.Join(dir, "videos"))
	must(t, err)
	audio, err := disk.Open(filepath.Join(dir, "mp3"))
	must(t, err)
	j, err := New(Config{OrphanAge: time.Hour, Policy: policy}, records, videos, audio, q)
	must(t, err)
	return fixture{j, q, dir}
}

// job stores a job with a video, after applying change.
func (f fixture) job(t testing.TB, change func(*jobs.Job)) jobs.Job {
	t.Helper()
	j := jobs.Job{ID: id.New(), Owner: "u1"}
	j.Video = f.put(t, f.videos, j.ID)
	j.Enqueue(policy, time.Now())
	change(&j)
	if err := f.jobs.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return j
}

func (f fixture) put(t testing.TB, s media.Store, job string) jobs.File {
	t.Helper()
	o, err := s.Put(t.Context(), media.Object{ID: id.New(), Job: job}, bytes.NewReader([]byte("bytes")))
	if err != nil {
		t.Fatal(err)
	}
	return jobs.File{ID: o.ID, Size: o.Size}
}

func (f fixture) count(t testing.TB, s media.Store) int {
	t.Helper()
	objects, err := s.List(t.Context(), time.Now().Add(time.Hour), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(objects)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What happened at long is overdue; what ended at expired has expired.
var (
	long    = time.Now().Add(-24 * time.Hour)
	expired = time.Now().Add(-3 * 24 * time.Hour)
)

func TestRunOnce(t *testing.T) {
	finish := func(t *testing.T, f fixture, j *jobs.Job, when time.Time) {
		must(t, j.Claim(policy, "w", when))
		j.Audio = f.put(t, f.audio, j.ID)
		must(t, j.Complete(policy, "w", j.Audio, when))
	}
	notify := func(t *testing.T, j *jobs.Job, when time.Time) {
		must(t, j.ClaimNotification(policy, "n", when))
		must(t, j.RecordNotification(policy, "n", nil, "sent", when))
	}
	for name, c := range map[string]struct {
		job    func(t *testing.T, f fixture, j *jobs.Job)
		queue  queue.Queue // of the wake-up
		state  jobs.State
		report Report
		gone   bool
	}{
		"queued just now":             {func(t *testing.T, f fixture, j *jobs.Job) {}, queue.Queue{}, jobs.Queued, Report{}, false},
		"queued, wake-up lost":        {func(t *testing.T, f fixture, j *jobs.Job) { j.Enqueue(policy, long) }, queue.Video, jobs.Queued, Report{ConversionWakes: 1}, false},
		"converting, lease valid":     {func(t *testing.T, f fixture, j *jobs.Job) { must(t, j.Claim(policy, "w", time.Now())) }, queue.Queue{}, jobs.Converting, Report{}, false},
		"converting, lease expired":   {func(t *testing.T, f fixture, j *jobs.Job) { must(t, j.Claim(policy, "w", long)) }, queue.Video, jobs.Queued, Report{ConversionWakes: 1}, false},
		"attempts used up":            {func(t *testing.T, f fixture, j *jobs.Job) { j.Deaths = 2; must(t, j.Claim(policy, "w", long)) }, queue.MP3, jobs.Failed, Report{Failed: 1}, false},
		"done, just now":              {func(t *testing.T, f fixture, j *jobs.Job) { finish(t, f, j, time.Now()) }, queue.Queue{}, jobs.Done, Report{}, false},
		"done, never notified":        {func(t *testing.T, f fixture, j *jobs.Job) { finish(t, f, j, long) }, queue.MP3, jobs.Done, Report{NotificationWakes: 1}, false},
		"done, notified, not expired": {func(t *testing.T, f fixture, j *jobs.Job) { finish(t, f, j, time.Now()); notify(t, j, time.Now()) }, queue.Queue{}, jobs.Done, Report{}, false},
		"done, notified, expired":     {func(t *testing.T, f fixture, j *jobs.Job) { finish(t, f, j, expired); notify(t, j, expired) }, queue.Queue{}, "", Report{Expired: 1}, true},
		"cancelled, expired":          {func(t *testing.T, f fixture, j *jobs.Job) { must(t, j.Cancel(policy, expired)) }, queue.Queue{}, "", Report{Expired: 1}, true},
		"done, notifier died": {func(t *testing.T, f fixture, j *jobs.Job) {
			finish(t, f, j, long)
			must(t, j.ClaimNotification(policy, "n", long))
		}, queue.MP3, jobs.Done, Report{NotificationWakes: 1}, false},
		// Nothing keeps a job longer than promised.
		"done, never notified, expired": {func(t *testing.T, f fixture, j *jobs.Job) { finish(t, f, j, expired) }, queue.Queue{}, "", Report{Expired: 1}, true},
		"done, being notified, expired": {func(t *testing.T, f fixture, j *jobs.Job) {
			finish(t, f, j, expired)
			must(t, j.ClaimNotification(policy, "n", expired))
		}, queue.Queue{}, "", Report{Expired: 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			j := f.job(t, func(j *jobs.Job) { c.job(t, f, j) })
			for run := range 2 { // the second finds nothing to do
				report, err := f.RunOnce(t.Context())
				must(t, err)
				want := c.report
				if run == 1 {
					want = Report{}
				}
				if report != want {
					t.Errorf("run %d: %+v, want %+v", run, report, want)
				}
			}
			if c.report.Failed > 0 && f.count(t, f.videos) != 0 {
				t.Error("the video was not deleted")
			}
			got, err := f.jobs.Get(t.Context(), j.ID)
			if c.gone {
				if len(f.queue.events) > 0 {
					t.Errorf("woken %v", f.queue.events)
				}
				if !errors.Is(err, jobs.ErrNotFound) || f.count(t, f.videos)+f.count(t, f.audio) != 0 {
					t.Errorf("job not deleted: %v, %d videos, %d MP3s", err, f.count(t, f.videos), f.count(t, f.audio))
				}
				return
			}
			must(t, err)
			if got.State != c.state {
				t.Errorf("state %s, want %s", got.State, c.state)
			}
			var woken []sent
			if c.queue != (queue.Queue{}) {
				woken = []sent{{c.queue, j.ID}}
			}
			if len(f.queue.events) != len(woken) || len(woken) == 1 && f.queue.events[0] != woken[0] {
				t.Errorf("woken %v, want %v", f.queue.events, woken)
			}
		})
	}
}

func TestManyDueJobs(t *testing.T) {
	f := newFixture(t)
	const n = 2*batchSize + 7
	for range n {
		f.job(t, func(j *jobs.Job) { j.Enqueue(policy, long) })
	}
	report, err := f.RunOnce(t.Context())
	must(t, err)
	if report.ConversionWakes != n || len(f.queue.events) != n {
		t.Errorf("%d of %d wake-ups", report.ConversionWakes, n)
	}
}

func TestWakeUpsBackOff(t *testing.T) {
	j := jobs.Job{}
	now := time.Now()
	j.Enqueue(policy, now)
	var last time.Duration
	for range 10 {
		now = j.DueAt
		must(t, j.WakeSent(policy, now))
		pause := j.DueAt.Sub(now)
		if pause < last || pause > policy.WakeMax {
			t.Fatalf("pause %v after %v", pause, last)
		}
		last = pause
	}
	if last != policy.WakeMax {
		t.Errorf("last pause %v, want %v", last, policy.WakeMax)
	}
}

func TestRecover(t *testing.T) {
	f := newFixture(t)
	leased := f.job(t, func(j *jobs.Job) { must(t, j.Claim(policy, "dead", time.Now())) })
	queued := f.job(t, func(j *jobs.Job) {})
	unnotified := f.job(t, func(j *jobs.Job) {
		must(t, j.Claim(policy, "w", time.Now()))
		must(t, j.Fail(policy, "w", conversion.Corrupt, time.Now()))
	})
	must(t, f.Recover(t.Context()))
	got, err := f.jobs.Get(t.Context(), leased.ID)
	must(t, err)
	if got.State != jobs.Queued || got.Attempts != 0 {
		t.Errorf("state %s after %d attempts", got.State, got.Attempts)
	}
	want := map[sent]bool{{queue.Video, leased.ID}: true, {queue.Video, queued.ID}: true, {queue.MP3, unnotified.ID}: true}
	for _, e := range f.queue.events {
		if !want[e] {
			t.Errorf("unexpected wake-up %v", e)
		}
		delete(want, e)
	}
	if len(want) > 0 {
		t.Errorf("not woken: %v", want)
	}
}

// A queue that is full when the process starts does not keep it from starting, and
// the other jobs are woken.
func TestRecoverContinues(t *testing.T) {
	f := newFixture(t)
	f.job(t, func(*jobs.Job) {})
	finished := f.job(t, func(j *jobs.Job) {
		must(t, j.Claim(policy, "w", time.Now()))
		must(t, j.Fail(policy, "w", conversion.Corrupt, time.Now()))
	})
	f.queue.missing = queue.Video
	must(t, f.Recover(t.Context()))
	if len(f.queue.events) != 1 || f.queue.events[0] != (sent{queue.MP3, finished.ID}) {
		t.Errorf("woken %v, want the finished job", f.queue.events)
	}
}
