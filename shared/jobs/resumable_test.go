package jobs

import (
	"errors"
	"testing"
)

func TestUpdateResumable(t *testing.T) {
	from := int64(7)
	change := func(r *Resumable) { r.UnverifiedFrom = &from }
	var j Job
	j.BeginUpload(policy, "a", now)
	if err := j.UpdateResumable("a", change); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("an upload that is not resumable: %v, want %v", err, ErrLeaseLost)
	}
	before := &Resumable{Metadata: "title"}
	j.Resumable = before
	if err := j.UpdateResumable("b", change); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("another request: %v, want %v", err, ErrLeaseLost)
	}
	if err := j.UpdateResumable("a", change); err != nil || *j.Resumable.UnverifiedFrom != from || j.Resumable.Metadata != "title" {
		t.Errorf("%+v, %v", j.Resumable, err)
	}
	if before.UnverifiedFrom != nil {
		t.Error("the record that was read has changed")
	}
}
