package sqlite

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/test/fulldisk"
)

const (
	mib        = 1 << 20
	sqliteFull = 13 // SQLITE_FULL
)

// On a full disk, records can still be changed and deleted, and even some created, also
// right after the store was opened.
func TestFullDisk(t *testing.T) {
	dir := fulldisk.Mount(t, 24*mib)
	s := open(t, filepath.Join(dir, "jobs.db"))
	j, gone := record(t, s), record(t, s)
	fulldisk.Fill(t, dir)

	// More than one log: it is reused.
	const updates = 2000
	for range updates {
		if _, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { j.Wakes++; return nil }); err != nil {
			t.Fatalf("Update: %v", err)
		}
	}
	if err := s.Delete(t.Context(), gone.ID); err != nil {
		t.Errorf("Delete: %v", err)
	}
	for range 50 {
		record(t, s)
	}
	if got, err := s.Get(t.Context(), j.ID); got.Wakes != updates || err != nil {
		t.Errorf("Get: %d wakes, %v; want %d", got.Wakes, err, updates)
	}
}

// A write for which there is no room fails and changes nothing. Records can be written
// again when there is room.
func TestNoRoomAtAll(t *testing.T) {
	dir := fulldisk.Mount(t, 24*mib)
	s := open(t, filepath.Join(dir, "jobs.db"))
	j, gone := record(t, s), record(t, s)
	filler := fulldisk.Fill(t, dir)
	large := strings.Repeat("x", 12*mib) // more than is reserved

	for name, write := range map[string]func() error{
		"Update": func() error {
			_, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { j.Name = large; return nil })
			return err
		},
		"Create": func() error { return s.Create(t.Context(), jobs.Job{ID: id.New(), Owner: "eve", Name: large}) },
	} {
		var full *sqlite.Error
		if err := write(); !errors.As(err, &full) || full.Code() != sqliteFull {
			t.Errorf("%s: %v, want that the disk is full", name, err)
		}
	}
	if got, err := s.Get(t.Context(), j.ID); got.Name != "" || got.Revision != 0 || err != nil {
		t.Errorf("after a failed Update the name has %d bytes, revision %d, %v", len(got.Name), got.Revision, err)
	}
	if all, err := s.List(t.Context(), "eve", jobs.Filter{}, 1); len(all) != 0 || err != nil {
		t.Errorf("after a failed Create List returns %d records, %v; want none", len(all), err)
	}

	fulldisk.Free(t, filler, mib)
	if err := s.Delete(t.Context(), gone.ID); err != nil {
		t.Errorf("Delete after room was made: %v", err)
	}
	if _, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { j.Wakes++; return nil }); err != nil {
		t.Errorf("Update after room was made: %v", err)
	}
	var ok string
	if err := s.readers.QueryRow("PRAGMA integrity_check").Scan(&ok); ok != "ok" || err != nil {
		t.Errorf("integrity check: %s, %v", ok, err)
	}
}

// The store needs no temporary files.
func TestFullTempDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	full := fulldisk.Mount(t, mib)
	fulldisk.Fill(t, full)
	t.Setenv("TMPDIR", full)
	t.Setenv("SQLITE_TMPDIR", full)
	s := open(t, path)
	for range 200 {
		record(t, s)
	}
	if all, err := s.List(t.Context(), "ann", jobs.Filter{}, 1000); len(all) != 200 || err != nil {
		t.Errorf("List returns %d records, %v; want 200", len(all), err)
	}
}

func record(t *testing.T, s *Store) jobs.Job {
	t.Helper()
	j := jobs.Job{ID: id.New(), Owner: "ann"}
	if err := s.Create(t.Context(), j); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return j
}
