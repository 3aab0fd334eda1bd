package sweep

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/queue"
)

var errAway = errors.New("away")

// clock is a store of records whose time is ahead.
type clock struct {
	jobs.Store
	ahead time.Duration
}

func (c *clock) Now() time.Time { return c.Store.Now().Add(c.ahead) }

// forward moves the janitor's clock forward by d.
func (f *fixture) forward(d time.Duration) { f.jobs = &clock{f.jobs, d} }

// failing is a media store in which the deletion of some objects fails.
type failing struct {
	media.Store
	delay time.Duration // before a deletion fails

	mu    sync.Mutex
	fails func(id string) bool
	tried int // failed deletions
}

func (s *failing) Delete(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails(id) {
		s.tried++
		time.Sleep(s.delay)
		return errAway
	}
	return s.Store.Delete(ctx, id)
}

// expiredAt stores a cancelled job that is to be erased since the given time.
func (f fixture) expiredAt(t *testing.T, at time.Time) jobs.Job {
	return f.job(t, func(j *jobs.Job) { must(t, j.Cancel(policy, at.Add(-policy.Retention))) })
}

// overdueAt stores a queued job that is to be woken since the given time.
func (f fixture) overdueAt(t *testing.T, at time.Time) jobs.Job {
	return f.job(t, func(j *jobs.Job) { j.Enqueue(policy, at.Add(-policy.Wake)) })
}

func (f fixture) exists(t *testing.T, j jobs.Job) bool {
	t.Helper()
	_, err := f.jobs.Get(t.Context(), j.ID)
	if errors.Is(err, jobs.ErrNotFound) {
		return false
	}
	must(t, err)
	return true
}

func (f fixture) woken(j jobs.Job) (n int) {
	for _, e := range f.queue.events {
		if e == (sent{queue.Video, j.ID}) {
			n++
		}
	}
	return n
}

// More jobs than fit into a batch cannot be erased. All others are processed in the
// same run.
func TestJobsThatCannotBeErased(t *testing.T) {
	f := newFixture(t)
	stuck := map[string]bool{}
	for range batchSize + 1 {
		stuck[f.expiredAt(t, long).Video.ID] = true
	}
	f.videos = &failing{Store: f.videos, fails: func(id string) bool { return stuck[id] }}
	other, waiting := f.expiredAt(t, long.Add(time.Hour)), f.overdueAt(t, long.Add(2*time.Hour))
	if _, err := f.RunOnce(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("error %v, want that of the store", err)
	}
	if f.exists(t, other) {
		t.Error("an expired job was not erased, because others cannot be")
	}
	if f.woken(waiting) != 1 {
		t.Error("a job was not woken, because others cannot be erased")
	}
}

// While the broker is away, what has expired is erased, in the same run, and a run
// gives up waking after a few failures.
func TestBrokerAway(t *testing.T) {
	f := newFixture(t)
	var overdue []jobs.Job
	for range batchSize + 1 {
		overdue = append(overdue, f.overdueAt(t, long))
	}
	other := f.expiredAt(t, long.Add(time.Hour))
	f.queue.fail = errAway
	for run := range 2 {
		f.queue.tried = 0
		if _, err := f.RunOnce(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("run %d: error %v, want that of the broker", run, err)
		}
		if f.queue.tried < 1 || f.queue.tried > 10 {
			t.Errorf("run %d: %d attempts to send a wake-up, want a few", run, f.queue.tried)
		}
		f.forward(time.Minute)
	}
	if f.exists(t, other) {
		t.Error("an expired job was not erased, because the broker is away")
	}
	// A cluster's janitor runs once a minute.
	f.queue.fail = nil
	_, err := f.RunOnce(t.Context())
	must(t, err)
	for _, j := range overdue {
		if n := f.woken(j); n != 1 {
			t.Fatalf("a job was woken %d times by the first run after the outage, want once", n)
		}
	}
}

// One queue that does not exist does not keep the other from being used.
func TestQueueMissing(t *testing.T) {
	f := newFixture(t)
	for range 20 {
		f.overdueAt(t, long)
	}
	finished := f.job(t, func(j *jobs.Job) {
		must(t, j.Claim(policy, "w", long))
		must(t, j.Complete(policy, "w", f.put(t, f.audio, j.ID), long.Add(time.Hour)))
	})
	f.queue.missing = queue.Video
	if _, err := f.RunOnce(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("error %v, want that of the broker", err)
	}
	if !slices.Equal(f.queue.events, []sent{{queue.MP3, finished.ID}}) {
		t.Errorf("woken %v, want the finished job", f.queue.events)
	}
}

// While the media store is away, jobs are woken, and a run gives up erasing soon.
func TestMediaStoreAway(t *testing.T) {
	f := newFixture(t)
	f.maxFailing = 10 * time.Millisecond
	var stuck []jobs.Job
	for range batchSize + 1 {
		stuck = append(stuck, f.expiredAt(t, long))
	}
	waiting := f.overdueAt(t, long.Add(time.Hour))
	media := f.videos
	away := &failing{Store: media, fails: func(string) bool { return true }, delay: 20 * time.Millisecond}
	f.videos = away
	if _, err := f.RunOnce(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("error %v, want that of the store", err)
	}
	if away.tried != 1 {
		t.Errorf("%d slow attempts to delete a video, want one", away.tried)
	}
	if f.woken(waiting) != 1 {
		t.Error("a job was not woken, because the media store is away")
	}
	f.videos = media
	f.forward(time.Hour)
	_, err := f.RunOnce(t.Context())
	must(t, err)
	for _, j := range stuck {
		if f.exists(t, j) {
			t.Fatal("a job was not erased after the outage")
		}
	}
}

// A job whose deletion fails slowly is tried again later than those that were skipped
// because of it: otherwise it would always be the first.
func TestSlowFailureDoesNotStayFirst(t *testing.T) {
	f := newFixture(t)
	f.maxFailing = 10 * time.Millisecond
	stuck := f.expiredAt(t, long)
	other := f.expiredAt(t, long.Add(time.Hour))
	f.videos = &failing{Store: f.videos, fails: func(id string) bool { return id == stuck.Video.ID }, delay: 20 * time.Millisecond}
	for range 2 {
		f.RunOnce(t.Context())
		f.forward(time.Minute)
	}
	if f.exists(t, other) {
		t.Error("a job was not erased, because another one always fails before it")
	}
	if !f.exists(t, stuck) {
		t.Error("the record is gone, although the video could not be deleted")
	}
}

// readOnly is a store of records that takes no writes.
type readOnly struct{ jobs.Store }

func (readOnly) Update(context.Context, string, func(*jobs.Job) error) (jobs.Job, error) {
	return jobs.Job{}, errAway
}
func (readOnly) Delete(context.Context, string) error { return errAway }

// A wake-up that cannot be recorded is sent again by the next run, so a run sends only
// a few of them.
func TestRecordsCannotBeWritten(t *testing.T) {
	f := newFixture(t)
	for range batchSize {
		f.overdueAt(t, long)
	}
	f.jobs = readOnly{f.jobs}
	if _, err := f.RunOnce(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("error %v, want that of the store", err)
	}
	if n := len(f.queue.events); n > maxRecordFailures {
		t.Errorf("%d wake-ups were sent that cannot be recorded, want at most %d", n, maxRecordFailures)
	}
}

// stuckRecord is a store of records in which one cannot be changed.
type stuckRecord struct {
	jobs.Store
	id string
}

func (s stuckRecord) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	if id == s.id {
		return jobs.Job{}, errAway
	}
	return s.Store.Update(ctx, id, change)
}

// A job that remains due is processed once in a run.
func TestRecordThatCannotBeWritten(t *testing.T) {
	f := newFixture(t)
	stuck := f.overdueAt(t, long)
	for range batchSize {
		f.overdueAt(t, long.Add(time.Hour))
	}
	f.jobs = stuckRecord{f.jobs, stuck.ID}
	if _, err := f.RunOnce(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("error %v, want that of the store", err)
	}
	if n := f.woken(stuck); n != 1 {
		t.Errorf("the job was woken %d times in one run, want once", n)
	}
}

// A run ends when its time is over, and the next one continues.
func TestRunsAreBounded(t *testing.T) {
	f := newFixture(t)
	f.maxRun = 0
	for range 3 {
		f.overdueAt(t, long)
	}
	for run := range 3 {
		report, err := f.RunOnce(t.Context())
		must(t, err)
		if report.ConversionWakes != 1 {
			t.Errorf("run %d without time: %d wake-ups, want one", run, report.ConversionWakes)
		}
	}
}

// The record is the last to go: it names the files that are left.
func TestRecordOutlivesItsFiles(t *testing.T) {
	for name, broken := range map[string]func(f *fixture){
		"video": func(f *fixture) { f.videos = &failing{Store: f.videos, fails: func(string) bool { return true }} },
		"MP3":   func(f *fixture) { f.audio = &failing{Store: f.audio, fails: func(string) bool { return true }} },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			j := f.job(t, func(j *jobs.Job) {
				must(t, j.Claim(policy, "w", expired))
				must(t, j.Complete(policy, "w", f.put(t, f.audio, j.ID), expired))
			})
			videos, audio := f.videos, f.audio
			broken(&f)
			if _, err := f.RunOnce(t.Context()); !errors.Is(err, errAway) {
				t.Errorf("error %v, want that of the store", err)
			}
			if !f.exists(t, j) {
				t.Fatalf("the record was deleted before the %s", name)
			}
			f.videos, f.audio = videos, audio
			f.forward(time.Hour)
			_, err := f.RunOnce(t.Context())
			must(t, err)
			if f.exists(t, j) || f.count(t, f.videos)+f.count(t, f.audio) > 0 {
				t.Error("the job was not erased after the outage")
			}
		})
	}
}

// A job whose user cannot be notified is erased when it expires, not later.
func TestUnnotifiedJobExpires(t *testing.T) {
	f := newFixture(t)
	j := f.job(t, func(j *jobs.Job) {
		must(t, j.Claim(policy, "w", time.Now()))
		must(t, j.Complete(policy, "w", f.put(t, f.audio, j.ID), time.Now()))
	})
	records := f.jobs
	for range 10_000 { // runs, each when the job is due
		now, err := records.Get(t.Context(), j.ID)
		if errors.Is(err, jobs.ErrNotFound) {
			break
		}
		must(t, err)
		if now.DueAt.After(j.ExpiresAt) {
			t.Fatalf("due %v after it expires", now.DueAt.Sub(j.ExpiresAt))
		}
		f.jobs = &clock{records, time.Until(now.DueAt) + time.Millisecond}
		_, err = f.RunOnce(t.Context())
		must(t, err)
	}
	if f.exists(t, j) || f.count(t, f.videos)+f.count(t, f.audio) > 0 {
		t.Error("not erased")
	}
	if len(f.queue.events) < 10 {
		t.Errorf("%d wake-ups for the notification until then", len(f.queue.events))
	}
}

// A cancelled run ends, and says so.
func TestCancelledRun(t *testing.T) {
	f := newFixture(t)
	f.overdueAt(t, long)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.RunOnce(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("RunOnce: %v, want context.Canceled", err)
	}
	if _, err := f.RemoveOrphans(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("RemoveOrphans: %v, want context.Canceled", err)
	}
}
