package jobstest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
)

// fill stores n jobs of an owner in random order and returns them, newest first.
func fill(t *testing.T, s jobs.Store, owner string, n int) []jobs.Job {
	t.Helper()
	all := make([]jobs.Job, n)
	for i := range all {
		all[i] = job(owner)
		// In random order.
		all[i].ID = fmt.Sprintf("%024x", rand.Uint64())
		all[i].DueAt = now.Add(time.Duration(rand.IntN(1000)) * time.Millisecond)
	}
	for _, j := range all {
		create(t, s, j)
	}
	slices.SortFunc(all, func(a, b jobs.Job) int {
		if a.ID > b.ID {
			return -1
		}
		return 1
	})
	return all
}

func testList(t *testing.T, s jobs.Store) {
	const n = 12
	ann := fill(t, s, "ann", n)
	fill(t, s, "bob", n)
	for _, c := range []struct {
		name, owner, before string
		limit               int
		want                []jobs.Job
	}{
		{"all", "ann", "", 100, ann},
		{"exactly all", "ann", "", n, ann},
		{"the newest", "ann", "", 1, ann[:1]},
		{"none wanted", "ann", "", 0, nil},
		{"below the newest", "ann", ann[0].ID, 3, ann[1:4]},
		{"below one that is not there", "ann", ann[4].ID[:23] + "z", 100, ann[4:]},
		{"below the oldest", "ann", ann[n-1].ID, 100, nil},
		{"of a stranger", "eve", "", 100, nil},
		{"unknown owner", "", "", 100, nil},
	} {
		got, err := s.List(t.Context(), c.owner, jobs.Filter{Before: c.before}, c.limit)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		sameList(t, c.name, got, c.want)
	}
}

func testListPages(t *testing.T, s jobs.Store) {
	want := fill(t, s, "ann", 23)
	for _, limit := range []int{1, 5, 23, 24} {
		var got []jobs.Job
		before := ""
		for range len(want) + 1 {
			page, err := s.List(t.Context(), "ann", jobs.Filter{Before: before}, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit {
				t.Fatalf("%d jobs on a page of %d", len(page), limit)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			before = page[len(page)-1].ID
		}
		sameList(t, fmt.Sprint("pages of ", limit), got, want)
	}
}

func testDue(t *testing.T, s jobs.Store) {
	all := fill(t, s, "ann", 20)
	all = append(all, fill(t, s, "bob", 20)...)
	never := jobs.Job{ID: id.New(), DueAt: now.AddDate(50, 0, 0)}
	create(t, s, never)

	for _, after := range []time.Duration{-time.Millisecond, 0, 250 * time.Millisecond, 500*time.Millisecond + 999*time.Nanosecond, time.Second} {
		at := now.Add(after)
		var want []time.Time
		for _, j := range all {
			if !j.DueAt.After(at) {
				want = append(want, j.DueAt)
			}
		}
		slices.SortFunc(want, time.Time.Compare)
		for _, limit := range []int{0, 1, 7, 100} {
			got, err := s.Due(t.Context(), at, limit)
			if err != nil {
				t.Fatal(err)
			}
			var due []time.Time
			for _, j := range got {
				due = append(due, j.DueAt)
			}
			if want := want[:min(limit, len(want))]; !slices.Equal(due, want) {
				t.Errorf("Due(now%+v, limit %d): got jobs due at %v, want %v", after, limit, due, want)
			}
		}
	}
}

func testDueFollowsUpdate(t *testing.T, s jobs.Store) {
	j := job("ann")
	create(t, s, j)
	due := func(at time.Time) int {
		got, err := s.Due(t.Context(), at, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	if due(j.DueAt.Add(-time.Millisecond)) != 0 || due(j.DueAt) != 1 {
		t.Fatal("a new job is not due at DueAt")
	}
	later, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error {
		return j.WakeSent(Policy, j.DueAt)
	})
	if err != nil {
		t.Fatal(err)
	}
	if due(j.DueAt) != 0 || due(later.DueAt) != 1 {
		t.Error("an updated job is not due at DueAt")
	}
	if err := s.Delete(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if due(later.DueAt) != 0 {
		t.Error("a deleted job is due")
	}
}

func sameList(t *testing.T, what string, got, want []jobs.Job) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		ids := func(all []jobs.Job) (ids []string) {
			for _, j := range all {
				ids = append(ids, j.ID)
			}
			return ids
		}
		t.Errorf("%s:\n got %v\nwant %v", what, ids(got), ids(want))
	}
}
