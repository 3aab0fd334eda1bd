package jobstest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
)

// Owners take turns, however many jobs each has queued and whoever came first.
func testNext(t *testing.T, s jobs.Store) {
	if j, err := s.Next(t.Context(), now); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Next of an empty store: %v, %v, want %v", j.ID, err, jobs.ErrNotFound)
	}
	const of = 4
	want := map[string][]string{} // by owner, the oldest first
	for _, owner := range []string{"ann", "bob", "cy"} {
		for range of {
			j := job(owner)
			create(t, s, j)
			want[owner] = append(want[owner], j.ID)
		}
	}
	at := now
	// claim starts the next job, which must be the oldest of the given owner.
	claim := func(owner string) {
		t.Helper()
		at = at.Add(time.Second)
		j, err := s.Next(t.Context(), at)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		if j.ID != want[owner][0] {
			t.Fatalf("Next is job %s of %s, want %s of %s", j.ID, j.Owner, want[owner][0], owner)
		}
		want[owner] = want[owner][1:]
		update(t, s, j.ID, func(j *jobs.Job) error { return j.Claim(Policy, "worker", at) })
		if owner == "bob" { // whether an attempt has ended makes no difference
			update(t, s, j.ID, func(j *jobs.Job) error { return j.Complete(Policy, "worker", jobs.File{ID: "mp3", Size: 1}, at) })
		}
		if owner == "cy" { // nor whether its job is deleted
			if err := s.Delete(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		claim("ann")
		claim("bob")
		claim("cy")
	}
	newcomer := job("dee")
	create(t, s, newcomer)
	want["dee"] = []string{newcomer.ID}
	claim("dee")
	for range of - 2 {
		claim("ann")
		claim("bob")
		claim("cy")
	}
	if j, err := s.Next(t.Context(), at); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Next without queued jobs: %v, %v, want %v", j.ID, err, jobs.ErrNotFound)
	}
}

// A paused job is passed over until its pause ends.
func testNextPaused(t *testing.T, s jobs.Store) {
	paused, other := job("ann"), job("ann")
	create(t, s, paused)
	create(t, s, other)
	update(t, s, paused.ID, func(j *jobs.Job) error { return j.Claim(Policy, "worker", now) })
	end := update(t, s, paused.ID, func(j *jobs.Job) error { return j.Postpone(Policy, "worker", now) }).NotBefore
	for at, want := range map[time.Time]string{now: other.ID, end.Add(-time.Millisecond): other.ID, end: paused.ID} {
		j, err := s.Next(t.Context(), at)
		if err != nil || j.ID != want {
			t.Errorf("Next, %v after the pause began: job %s, %v, want %s", at.Sub(now), j.ID, err, want)
		}
	}
}

func testUsage(t *testing.T, s jobs.Store) {
	check := func(what, owner string, want jobs.Usage) {
		t.Helper()
		if got, err := s.Usage(t.Context(), owner); err != nil || got != want {
			t.Errorf("%s: Usage of %s is %+v, %v, want %+v", what, owner, got, err, want)
		}
	}
	check("no jobs", "ann", jobs.Usage{})
	var all []jobs.Job
	for i := range 4 {
		j := job("ann")
		j.Video.Size = 5<<40 + int64(i)
		create(t, s, j)
		all = append(all, j)
	}
	create(t, s, job("bob"))
	check("queued", "ann", jobs.Usage{Unfinished: 4, Bytes: 20<<40 + 6})
	for i, j := range all[:3] {
		holder := fmt.Sprint(i)
		update(t, s, j.ID, func(j *jobs.Job) error { return j.Claim(Policy, holder, now) })
	}
	check("three of four claimed", "ann", jobs.Usage{Unfinished: 4, Bytes: 20<<40 + 6})
	update(t, s, all[0].ID, func(j *jobs.Job) error { return j.Complete(Policy, "0", jobs.File{ID: "mp3", Size: 3 << 30}, now) })
	update(t, s, all[1].ID, func(j *jobs.Job) error { return j.Cancel(Policy, now) })
	check("one done, one cancelled", "ann", jobs.Usage{Unfinished: 2, Bytes: 10<<40 + 5 + 3<<30})
	if err := s.Delete(t.Context(), all[0].ID); err != nil {
		t.Fatal(err)
	}
	check("the done one deleted", "ann", jobs.Usage{Unfinished: 2, Bytes: 10<<40 + 5})
	update(t, s, all[2].ID, func(j *jobs.Job) error { return j.Fail(Policy, "2", conversion.MemoryLimit, now) })
	check("one failed, its video kept", "ann", jobs.Usage{Unfinished: 1, Bytes: 10<<40 + 5})
	update(t, s, all[2].ID, (*jobs.Job).GiveUpVideo)
	check("its video given up", "ann", jobs.Usage{Unfinished: 1, Bytes: 5<<40 + 3})
}

// The store runs on this machine, so that the clocks agree.
func testNow(t *testing.T, s jobs.Store) {
	if skew := time.Until(s.Now()).Abs(); skew > time.Second {
		t.Errorf("Now differs from this machine's clock by %v", skew)
	}
}

func update(t *testing.T, s jobs.Store, id string, change func(*jobs.Job) error) jobs.Job {
	t.Helper()
	j, err := s.Update(t.Context(), id, change)
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	return j
}
