package jobs

import (
	"errors"
	"testing"
	"time"
)

func TestUploadRules(t *testing.T) {
	at := now.Add
	lock := func(holder string, when time.Time) func(*Job) error {
		return func(j *Job) error { return j.LockUpload(policy, holder, when) }
	}
	for _, c := range []struct {
		name string
		rule func(*Job) error
		want error
	}{
		{"lock while another request writes", lock("b", at(UploadLease-time.Second)), ErrLeased},
		{"lock when the lease has expired", lock("b", at(UploadLease)), nil},
		{"lock after it was released", func(j *Job) error {
			return errors.Join(j.UnlockUpload(policy, "a", now), j.LockUpload(policy, "b", now))
		}, nil},
		{"unlock by another request", func(j *Job) error { return j.UnlockUpload(policy, "b", now) }, ErrLeaseLost},
		{"unlock without a holder", func(j *Job) error { return j.UnlockUpload(policy, "", now) }, ErrLeaseLost},
		{"renew by another request", func(j *Job) error { _, err := j.RenewUpload(policy, "b", now); return err }, ErrLeaseLost},
		{"renew", func(j *Job) error { _, err := j.RenewUpload(policy, "a", now); return err }, nil},
		{"finish by another request", func(j *Job) error { return j.FinishUpload(policy, "b", now) }, ErrLeaseLost},
		{"finish", func(j *Job) error { return j.FinishUpload(policy, "a", now) }, nil},
		{"claim", func(j *Job) error { return j.Claim(policy, "w", now) }, ErrUploading},
		{"cancel", func(j *Job) error { return j.Cancel(policy, now) }, ErrUploading},
		{"expire before the time", func(j *Job) error { return j.ExpireUpload("janitor", at(policy.UploadTTL-time.Second)) }, ErrNotDue},
		{"expire", func(j *Job) error { return j.ExpireUpload("janitor", at(policy.UploadTTL)) }, nil},
		{"lock when the janitor deletes it", func(j *Job) error {
			return errors.Join(j.ExpireUpload("janitor", at(policy.UploadTTL)), j.LockUpload(policy, "b", at(policy.UploadTTL)))
		}, ErrLeased},
		{"lock a finished upload", func(j *Job) error {
			return errors.Join(j.FinishUpload(policy, "a", now), j.LockUpload(policy, "b", now))
		}, ErrNotUploading},
		{"expire a finished upload", func(j *Job) error {
			return errors.Join(j.FinishUpload(policy, "a", now), j.ExpireUpload("janitor", at(policy.UploadTTL)))
		}, ErrNotUploading},
	} {
		var j Job
		j.BeginUpload(policy, "a", now)
		if err := c.rule(&j); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestUploadIsWanted(t *testing.T) {
	var j Job
	j.BeginUpload(policy, "a", now)
	if wanted, err := j.RenewUpload(policy, "a", now); wanted || err != nil {
		t.Errorf("nobody waits: %v, %v", wanted, err)
	}
	if err := j.RequestUpload(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if wanted, err := j.RenewUpload(policy, "a", now); !wanted || err != nil {
			t.Errorf("another request waits: %v, %v", wanted, err)
		}
	}
	if err := errors.Join(j.UnlockUpload(policy, "a", now), j.LockUpload(policy, "b", now)); err != nil {
		t.Fatal(err)
	}
	if wanted, err := j.RenewUpload(policy, "b", now); wanted || err != nil {
		t.Errorf("after it was released: %v, %v", wanted, err)
	}
}

func TestFinishedUploadIsQueued(t *testing.T) {
	var j Job
	j.BeginUpload(policy, "a", now)
	later := now.Add(time.Hour)
	if err := j.FinishUpload(policy, "a", later); err != nil {
		t.Fatal(err)
	}
	var want Job
	want.Enqueue(policy, later)
	if j.State != want.State || j.CreatedAt != want.CreatedAt || j.DueAt != want.DueAt || j.Lease != want.Lease {
		t.Errorf("%+v, want %+v", j, want)
	}
}
