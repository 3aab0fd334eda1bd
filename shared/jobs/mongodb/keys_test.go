package mongodb

import (
	"errors"
	"testing"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/test/mongotest"
)

// An insert of a key that was answered with an error may take effect after the job has been
// deleted for that reason. The key is free nevertheless.
func TestKeyWithoutJob(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	late := jobs.Job{ID: id.New(), Owner: "ann", State: jobs.Uploading, IdempotencyKey: "k"}
	if _, err := s.keys.InsertOne(t.Context(), idempotencyKey{keyID{late.Owner, late.IdempotencyKey}, late.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ByKey(t.Context(), "ann", "k"); !errors.Is(err, jobs.ErrNotFound) {
		t.Fatalf("ByKey: %v, want %v", err, jobs.ErrNotFound)
	}
	next := late
	next.ID = id.New()
	if err := s.Create(t.Context(), next); err != nil {
		t.Fatalf("Create: %v", err)
	}
	if j, err := s.ByKey(t.Context(), "ann", "k"); err != nil || j.ID != next.ID {
		t.Errorf("ByKey: %s, %v, want the new job", j.ID, err)
	}
}
