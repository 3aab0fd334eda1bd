package jobstest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"mp3converter/shared/jobs"
)

// upload returns a new job whose video is arriving.
func upload(owner, key string) jobs.Job {
	j := job(owner)
	j.IdempotencyKey = key
	j.BeginUpload(Policy, "request", now)
	return j
}

func testUploading(t *testing.T, s jobs.Store) {
	j, queued := upload("ann", ""), job("ann")
	create(t, s, j)
	create(t, s, queued)
	same(t, "Get", get(t, s, j.ID), j)

	list, err := s.List(t.Context(), "ann", jobs.Filter{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	sameList(t, "List", list, []jobs.Job{queued})
	update(t, s, queued.ID, func(j *jobs.Job) error { return j.Cancel(Policy, now) })
	if next, err := s.Next(t.Context(), now); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Next: %v, %v, want %v", next.ID, err, jobs.ErrNotFound)
	}
	if c, err := s.Count(t.Context(), now, now); err != nil || c.Queued+c.Converting != 0 {
		t.Errorf("Count: %+v, %v, want none", c, err)
	}
	if u, err := s.Usage(t.Context(), "ann"); err != nil || u != (jobs.Usage{Unfinished: 1, Bytes: j.Video.Size}) {
		t.Errorf("Usage: %+v, %v, want the announced size", u, err)
	}
	due, err := s.Due(t.Context(), now.Add(Policy.UploadTTL), 10)
	if err != nil || len(due) != 1 || due[0].ID != j.ID {
		t.Errorf("Due when the upload expires: %v, %v", due, err)
	}

	update(t, s, j.ID, func(j *jobs.Job) error { return j.FinishUpload(Policy, "request", now) })
	if next, err := s.Next(t.Context(), now); err != nil || next.ID != j.ID {
		t.Errorf("Next after the upload: %v, %v, want its job", next.ID, err)
	}
	update(t, s, j.ID, func(j *jobs.Job) error {
		j.State, j.VideoUntil = jobs.Failed, now
		return nil
	})
	if u, err := s.Usage(t.Context(), "ann"); err != nil || u != (jobs.Usage{Bytes: j.Video.Size}) {
		t.Errorf("Usage with a video that is kept: %+v, %v, want its size", u, err)
	}
}

func testIdempotencyKey(t *testing.T, s jobs.Store) {
	keys := []string{"1", "$ne", "a.b", `{"owner":"bob"}`, "ключ"}
	var all []jobs.Job
	for _, owner := range []string{"ann", "bob"} {
		for _, key := range keys {
			j := upload(owner, key)
			create(t, s, j)
			all = append(all, j)
		}
	}
	create(t, s, job("ann")) // jobs without a key do not collide
	create(t, s, job("ann"))
	for _, j := range all {
		again := upload(j.Owner, j.IdempotencyKey)
		if err := s.Create(t.Context(), again); !errors.Is(err, jobs.ErrExists) {
			t.Errorf("Create with the key %q again: %v, want %v", j.IdempotencyKey, err, jobs.ErrExists)
		}
		if _, err := s.Get(t.Context(), again.ID); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("Get of a job that was refused: %v, want %v", err, jobs.ErrNotFound)
		}
		got, err := s.ByKey(t.Context(), j.Owner, j.IdempotencyKey)
		if err != nil {
			t.Fatalf("ByKey(%q): %v", j.IdempotencyKey, err)
		}
		same(t, "ByKey", got, j)
	}
	for _, c := range [][2]string{{"eve", "1"}, {"ann", "2"}, {"ann", ""}} {
		if _, err := s.ByKey(t.Context(), c[0], c[1]); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("ByKey%q: %v, want %v", c, err, jobs.ErrNotFound)
		}
	}
	gone := all[0]
	if err := s.Delete(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ByKey(t.Context(), gone.Owner, gone.IdempotencyKey); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("ByKey of a deleted job: %v, want %v", err, jobs.ErrNotFound)
	}
	create(t, s, upload(gone.Owner, gone.IdempotencyKey)) // the key is free again
}

// testSameKeyAtOnce creates many jobs with the same key at the same time.
func testSameKeyAtOnce(t *testing.T, s jobs.Store) {
	const n = 50
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		j := upload("ann", "key")
		wg.Go(func() { errs[i] = s.Create(t.Context(), j) })
	}
	wg.Wait()
	created := 0
	for _, err := range errs {
		switch {
		case err == nil:
			created++
		case !errors.Is(err, jobs.ErrExists):
			t.Errorf("Create: %v, want nil or %v", err, jobs.ErrExists)
		}
	}
	if created != 1 {
		t.Errorf("%d jobs were created, want 1", created)
	}
	u, err := s.Usage(t.Context(), "ann")
	if err != nil || u.Unfinished != 1 {
		t.Error(fmt.Errorf("afterwards %+v, %v, want 1 job", u, err))
	}
}
