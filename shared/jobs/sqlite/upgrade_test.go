package sqlite

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/sqlite"
)

// The file that an earlier version has written is used as it is. Its jobs are named after
// what is the case: 1 and 3 are queued, 2 is converting, 4 done, 5 failed, 6 cancelled.
func TestFileOfAnEarlierVersion(t *testing.T) {
	const (
		queued, converting, paused = "69573b000000000000000001", "69573b000000000000000002", "69573b000000000000000003"
		done, failed, cancelled    = "69573b000000000000000004", "69573b000000000000000005", "69573b000000000000000006"
	)
	accepted := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	now := accepted.Add(5 * time.Second)
	path := filepath.Join(t.TempDir(), "jobs.db")
	load(t, path, "testdata/earlier.sql")
	open(t, path).Close()
	s := open(t, path) // the second time nothing is missing

	if got := ids(s.List(t.Context(), "ann", jobs.Filter{}, 10)); !reflect.DeepEqual(got, []string{cancelled, failed, done, paused, converting, queued}) {
		t.Errorf("List: %v", got)
	}
	if got := ids(s.List(t.Context(), "ann", jobs.Filter{States: []jobs.State{jobs.Failed}, Since: accepted}, 10)); !reflect.DeepEqual(got, []string{failed}) {
		t.Errorf("failed jobs: %v", got)
	}
	if got := ids(s.Due(t.Context(), accepted.Add(61*time.Second), 10)); !reflect.DeepEqual(got, []string{paused, queued, converting}) {
		t.Errorf("Due: %v", got)
	}
	if u, err := s.Usage(t.Context(), "ann"); err != nil || u != (jobs.Usage{Unfinished: 3, Bytes: 3010}) {
		t.Errorf("Usage: %+v, %v", u, err)
	}
	want := jobs.Counts{Queued: 2, OldestQueued: accepted, Converting: 1, Finished: map[string]int{"": 1, "memory_limit": 1}}
	if c, err := s.Count(t.Context(), now, accepted); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("Count: %+v, %v", c, err)
	}
	if q, err := s.Queue(t.Context(), "ann", now); err != nil || !reflect.DeepEqual(q.Waiting, []string{queued, paused}) || !q.Since.Equal(accepted) {
		t.Errorf("Queue: %+v, %v", q, err)
	}
	if j, err := s.Next(t.Context(), now); err != nil || j.ID != queued {
		t.Errorf("Next: %s, %v", j.ID, err)
	}
	// A failed job of that version has no video that could be retried.
	if j, err := s.Get(t.Context(), failed); err != nil || j.NeedsVideo() || !j.Notification.EndedAt.IsZero() {
		t.Errorf("failed job: %+v, %v", j, err)
	}
	p := jobs.Policy{MaxAttempts: 5, MaxDeaths: 10, Lease: time.Minute}
	if j, err := s.Update(t.Context(), queued, func(j *jobs.Job) error { return j.Claim(p, "me", now) }); err != nil || j.State != jobs.Converting {
		t.Errorf("Claim: %s, %v", j.State, err)
	}
	if err := s.Delete(t.Context(), done); err != nil {
		t.Error(err)
	}
}

// load makes a SQLite file of a dump.
func load(t *testing.T, path, dump string) {
	t.Helper()
	statements, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(string(statements)); err != nil {
		t.Fatal(err)
	}
}

func ids(all []jobs.Job, err error) (ids []string) {
	if err != nil {
		return []string{err.Error()}
	}
	for _, j := range all {
		ids = append(ids, j.ID)
	}
	return ids
}
