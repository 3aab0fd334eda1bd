package jobstest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/jobs"
)

func testQueue(t *testing.T, s jobs.Store) {
	check := func(what, owner string, want jobs.Queue) {
		t.Helper()
		if got, err := s.Queue(t.Context(), owner, now); err != nil || !sameQueue(got, want) {
			t.Errorf("%s: the queue of %s is\n     %+v, %v\nwant %+v", what, owner, got, err, want)
		}
	}
	check("no jobs", "ann", jobs.Queue{})

	ago := func(d time.Duration) time.Time { return jobs.Truncate(now.Add(-d)) }
	add := func(owner string, accepted time.Time) jobs.Job {
		j := job(owner)
		j.CreatedAt = accepted
		create(t, s, j)
		return j
	}
	start := func(j jobs.Job, at time.Time) {
		update(t, s, j.ID, func(j *jobs.Job) error { return j.Claim(Policy, "w", at) })
	}
	// Started before anything waited, and while something did; once the job is deleted.
	start(add("ann", ago(time.Hour)), ago(time.Hour))
	start(add("bob", ago(time.Hour)), ago(2*time.Minute))
	gone := add("cy", ago(time.Hour))
	start(gone, ago(time.Minute))
	if err := s.Delete(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	check("nothing queued", "ann", jobs.Queue{})

	// bob's first upload began before ann's and ended after it.
	b := []jobs.Job{add("bob", now), add("bob", now)}
	a := add("ann", ago(5*time.Minute))
	c := add("cy", now)
	d := add("dee", now) // has never had a turn
	paused := add("eve", now)
	start(paused, ago(3*time.Minute))
	update(t, s, paused.ID, func(j *jobs.Job) error { return j.Postpone(Policy, "w", now) })
	uploading := job("fay")
	uploading.BeginUpload(Policy, "w", now)
	create(t, s, uploading)

	since, starts := ago(5*time.Minute), []time.Time{ago(2 * time.Minute), ago(3 * time.Minute)}
	check("turns: dee, ann, bob, cy", "ann", jobs.Queue{Waiting: []string{a.ID}, Earlier: []int{1}, Later: []int{2, 1}, Since: since, Starts: starts})
	check("turns: dee, ann, bob, cy", "bob", jobs.Queue{Waiting: []string{b[0].ID, b[1].ID}, Earlier: []int{1, 1}, Later: []int{1}, Since: since, Starts: starts})
	check("turns: dee, ann, bob, cy", "cy", jobs.Queue{Waiting: []string{c.ID}, Earlier: []int{1, 2, 1}, Since: since, Starts: starts})
	check("turns: dee, ann, bob, cy", "dee", jobs.Queue{Waiting: []string{d.ID}, Later: []int{1, 2, 1}, Since: since, Starts: starts})
	// Her own pause counts as over: ann's turn comes before hers, bob's and cy's after.
	check("paused", "eve", jobs.Queue{Waiting: []string{paused.ID}, Earlier: []int{1, 1}, Later: []int{2, 1}, Since: since, Starts: starts})
	check("uploading", "fay", jobs.Queue{})

	// A job that is retried has waited since then.
	update(t, s, a.ID, func(j *jobs.Job) error { j.RetriedAt = ago(time.Second); return nil })
	update(t, s, c.ID, func(j *jobs.Job) error { j.RetriedAt = ago(150 * time.Second); return nil })
	check("retried", "dee", jobs.Queue{Waiting: []string{d.ID}, Later: []int{1, 2, 1}, Since: ago(150 * time.Second), Starts: starts[:1]})

	for range jobs.MaxStarts + 3 {
		start(add("gil", now), now)
	}
	if q, err := s.Queue(t.Context(), "ann", now); err != nil || len(q.Starts) != jobs.MaxStarts || !q.Starts[jobs.MaxStarts-1].Equal(jobs.Truncate(now)) {
		t.Errorf("after many starts: %+v, %v, want the latest %d", q.Starts, err, jobs.MaxStarts)
	}
}

// sameQueue compares without regard to the order of other owners.
func sameQueue(a, b jobs.Queue) bool {
	counts := func(all []int) map[int]int {
		m := map[int]int{}
		for _, n := range all {
			m[n]++
		}
		return m
	}
	same := reflect.DeepEqual(counts(a.Earlier), counts(b.Earlier)) && reflect.DeepEqual(counts(a.Later), counts(b.Later)) &&
		len(a.Waiting) == len(b.Waiting) && a.Since.Equal(b.Since) && len(a.Starts) == len(b.Starts)
	for i := 0; same && i < len(a.Waiting); i++ {
		same = a.Waiting[i] == b.Waiting[i]
	}
	for i := 0; same && i < len(a.Starts); i++ {
		same = a.Starts[i].Equal(b.Starts[i])
	}
	return same
}

// Jobs start in the order of their positions.
func testQueueAgreesWithNext(t *testing.T, s jobs.Store) {
	owner := map[string]string{} // by job
	at := now
	add := func(name string, n int) {
		for range n {
			j := job(name)
			create(t, s, j)
			owner[j.ID] = name
		}
	}
	claim := func() (string, bool) {
		t.Helper()
		j, err := s.Next(t.Context(), at)
		if errors.Is(err, jobs.ErrNotFound) {
			return "", false
		} else if err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
		update(t, s, j.ID, func(j *jobs.Job) error { return j.Claim(Policy, "w", at) })
		delete(owner, j.ID)
		return j.ID, true
	}
	// Some have had a turn before, others come for the first time, in both orders.
	add("ann", 1)
	add("bob", 1)
	claim()
	claim()
	add("cy", 3)
	add("bob", 2)
	add("ann", 5)
	add("dee", 1)
	add("cy", 1)
	for len(owner) > 0 {
		positions := map[string]int{}
		for id, name := range owner {
			q, err := s.Queue(t.Context(), name, at)
			if err != nil {
				t.Fatal(err)
			}
			positions[id] = q.Position(id)
		}
		if len(positions)%4 == 0 { // the first of them only, and then ask again
			if id, _ := claim(); positions[id] != 0 {
				t.Errorf("job %s starts, but its position is %d", id, positions[id])
			}
			continue
		}
		for n := range len(positions) {
			id, ok := claim()
			if !ok || positions[id] != n {
				t.Fatalf("job %s starts as number %d of %d, but its position was %d", id, n, len(positions), positions[id])
			}
			if n == 2 && len(owner) > 3 {
				break
			}
		}
	}
}
