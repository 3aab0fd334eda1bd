package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/jobs"
)

// A list that ends early because a record cannot be read is an error, not a short list.
func TestUnreadableRecord(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "jobs.db"))
	for _, key := range []string{"1", "2", "3"} {
		if err := s.Create(t.Context(), jobs.Job{ID: key, Owner: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	// SQLite fails while it reads the record 2.
	const damage = `
		ALTER TABLE jobs RENAME TO stored;
		CREATE VIEW jobs AS SELECT id, owner, due_at,
			CASE id WHEN '2' THEN json('damaged') ELSE document END AS document FROM stored;`
	if _, err := s.writer.Exec(damage); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(t.Context(), "ann", jobs.Filter{}, 10); err == nil {
		t.Errorf("List returns %d of 3 records and no error", len(all))
	}
	if all, err := s.Due(t.Context(), time.Now(), 10); err == nil {
		t.Errorf("Due returns %d of 3 records and no error", len(all))
	}
	if _, err := s.Get(t.Context(), "2"); err == nil {
		t.Error("Get of the damaged record succeeds")
	}
	if _, err := s.Get(t.Context(), "3"); err != nil {
		t.Errorf("Get of another record: %v", err)
	}
}

// An Update whose commit fails returns an error, and the record is unchanged. The
// connection can be used again.
func TestFailedCommit(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "jobs.db"))
	if err := s.Create(t.Context(), jobs.Job{ID: "1", Owner: "ann"}); err != nil {
		t.Fatal(err)
	}
	// A deferred constraint is checked by the commit.
	const constraint = `
		CREATE TABLE parents (id INTEGER PRIMARY KEY);
		CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
		CREATE TRIGGER changed AFTER UPDATE ON jobs BEGIN INSERT INTO children VALUES (1); END;`
	if _, err := s.writer.Exec(constraint); err != nil {
		t.Fatal(err)
	}
	got, err := s.Update(t.Context(), "1", func(j *jobs.Job) error { j.Wakes++; return nil })
	if err == nil {
		t.Errorf("Update returns revision %d and no error", got.Revision)
	}
	if got, err := s.Get(t.Context(), "1"); got.Revision != 0 || err != nil {
		t.Errorf("Get: revision %d, %v; want 0", got.Revision, err)
	}
	if _, err := s.writer.Exec("DROP TRIGGER changed"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), "1", func(j *jobs.Job) error { j.Wakes++; return nil }); err != nil {
		t.Errorf("Update after a failed one: %v", err)
	}
	if got, err := s.Get(t.Context(), "1"); got.Wakes != 1 || err != nil {
		t.Errorf("Get: %d wakes, %v; want 1", got.Wakes, err)
	}
}
