package sweep

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
)

// The fixture's OrphanAge is one hour.
func TestRemoveOrphans(t *testing.T) {
	type file = func(t *testing.T, f fixture)
	finish := func(t *testing.T, f fixture) jobs.Job {
		j := f.job(t, func(j *jobs.Job) {
			must(t, j.Claim(policy, "w", time.Now()))
			must(t, j.Complete(policy, "w", f.put(t, f.audio, j.ID), time.Now()))
		})
		must(t, f.videos.Delete(t.Context(), j.Video.ID))
		return j
	}
	const never = 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		store file          // stores one file, beside those that are needed
		kept  time.Duration // age at which the file is kept
		gone  time.Duration // age at which it is removed
	}{
		"video of an unfinished job": {func(t *testing.T, f fixture) { f.job(t, func(*jobs.Job) {}) }, never, 0},
		"MP3 of a finished job":      {func(t *testing.T, f fixture) { finish(t, f) }, never, 0},
		"video of a finished job": {func(t *testing.T, f fixture) {
			f.job(t, func(j *jobs.Job) { must(t, j.Cancel(policy, time.Now())) })
		}, 9 * time.Minute, 11 * time.Minute},
		"video without a job": {func(t *testing.T, f fixture) { f.put(t, f.videos, id.New()) }, 59 * time.Minute, 61 * time.Minute},
		"MP3 without a job":   {func(t *testing.T, f fixture) { f.put(t, f.audio, id.New()) }, 9 * time.Minute, 11 * time.Minute},
		"MP3 of an attempt that died": {func(t *testing.T, f fixture) {
			j := f.job(t, func(j *jobs.Job) {
				must(t, j.Claim(policy, "w", time.Now()))
				must(t, j.ReleaseDead(policy, time.Now()))
			})
			f.put(t, f.audio, j.ID)
			must(t, f.videos.Delete(t.Context(), j.Video.ID))
		}, 9 * time.Minute, 11 * time.Minute},
		"MP3 that a converter may still record": {func(t *testing.T, f fixture) {
			j := f.job(t, func(j *jobs.Job) { must(t, j.Claim(policy, "w", time.Now())) })
			f.put(t, f.audio, j.ID)
			must(t, f.videos.Delete(t.Context(), j.Video.ID))
		}, never, 0},
		"second MP3 of a finished job": {func(t *testing.T, f fixture) {
			j := finish(t, f)
			f.put(t, f.audio, j.ID)
			must(t, f.audio.Delete(t.Context(), j.Audio.ID))
		}, 9 * time.Minute, 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c.store(t, f)
			if n := f.count(t, f.videos) + f.count(t, f.audio); n != 1 {
				t.Fatalf("%d files to begin with, want one", n)
			}
			f.forward(c.kept)
			f.removeOrphansWant(t, 0, 1)
			if c.gone > 0 {
				f.forward(c.gone - c.kept)
				f.removeOrphansWant(t, 1, 0)
			}
		})
	}
}

// removeOrphansWant expects a number of removed and of remaining files.
func (f fixture) removeOrphansWant(t *testing.T, removed, left int) {
	t.Helper()
	report, err := f.RemoveOrphans(t.Context())
	must(t, err)
	if n := f.count(t, f.videos) + f.count(t, f.audio); report.Orphans != removed || n != left {
		t.Errorf("after %v: removed %d, left %d; want %d and %d", time.Until(f.jobs.Now()).Round(time.Minute), report.Orphans, n, removed, left)
	}
}

// unreadable is a store of records that cannot be read.
type unreadable struct{ jobs.Store }

func (unreadable) Get(context.Context, string) (jobs.Job, error) { return jobs.Job{}, errAway }

// A record that cannot be read may need the file.
func TestNothingIsRemovedWithoutRecords(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.job(t, func(j *jobs.Job) {
			must(t, j.Claim(policy, "w", time.Now()))
			must(t, j.Complete(policy, "w", f.put(t, f.audio, j.ID), time.Now()))
		})
	}
	f.jobs = unreadable{f.jobs}
	f.forward(7 * 24 * time.Hour)
	report, err := f.RemoveOrphans(t.Context())
	if !errors.Is(err, errAway) {
		t.Errorf("error %v, want that of the store of records", err)
	}
	if report.Orphans != 0 || f.count(t, f.videos) != 3 || f.count(t, f.audio) != 3 {
		t.Errorf("removed %d files while the records could not be read; %d videos and %d MP3s are left of 3 and 3",
			report.Orphans, f.count(t, f.videos), f.count(t, f.audio))
	}
}

// unlistable is a store whose List fails.
type unlistable struct{ media.Store }

func (unlistable) List(context.Context, time.Time, string, int) ([]media.Object, error) {
	return nil, errAway
}

// What fails for one file, or in one store, does not keep the others from being
// removed.
func TestOrphanThatCannotBeRemoved(t *testing.T) {
	f := newFixture(t)
	stuck := map[string]bool{}
	for range batchSize + 1 {
		stuck[f.put(t, f.audio, id.New()).ID] = true
	}
	f.put(t, f.audio, id.New())
	f.audio = &failing{Store: f.audio, fails: func(id string) bool { return stuck[id] }}
	f.videos = unlistable{f.videos}
	f.forward(2 * time.Hour)
	report, err := f.RemoveOrphans(t.Context())
	if !errors.Is(err, errAway) {
		t.Errorf("error %v, want that of the stores", err)
	}
	if report.Orphans != 1 {
		t.Errorf("removed %d files, want the one that can be removed", report.Orphans)
	}
}

func TestManyOrphans(t *testing.T) {
	f := newFixture(t)
	const n = 2*batchSize + 7
	for range n {
		f.put(t, f.audio, id.New())
	}
	f.forward(time.Hour)
	f.removeOrphansWant(t, n, 0)
}

// The remains of interrupted uploads and conversions are removed from both stores.
func TestRemainsOfInterruptedWrites(t *testing.T) {
	for _, store := range []string{"videos", "mp3"} {
		t.Run(store, func(t *testing.T) {
			f := newFixture(t)
			part := filepath.Join(f.dir, store, id.New()+".part")
			must(t, os.WriteFile(part, []byte("half a file"), 0o600))
			for _, c := range []struct {
				after   time.Duration
				removed int
			}{{59 * time.Minute, 0}, {2 * time.Minute, 1}} {
				f.forward(c.after)
				report, err := f.RemoveOrphans(t.Context())
				must(t, err)
				_, err = os.Stat(part)
				if left := err == nil; report.Orphans != c.removed || left == (c.removed == 1) {
					t.Errorf("after %v: removed %d, still there: %v; want %d", time.Until(f.jobs.Now()).Round(time.Minute), report.Orphans, left, c.removed)
				}
			}
		})
	}
}
