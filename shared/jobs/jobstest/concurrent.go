package jobstest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
)

// RunConcurrent tests concurrent writers. The stores share their records, like the
// stores of several processes.
func RunConcurrent(t *testing.T, a, b jobs.Store) {
	stores := [2]jobs.Store{a, b}
	t.Run("OneCreate", func(t *testing.T) { testOneCreate(t, stores) })
	t.Run("OneClaim", func(t *testing.T) { testOneClaim(t, stores) })
	t.Run("OneFinish", func(t *testing.T) { testOneFinish(t, stores) })
	t.Run("NoLostUpdate", func(t *testing.T) { testNoLostUpdate(t, stores) })
	t.Run("MailLimit", func(t *testing.T) { testMailLimit(t, stores) })
	t.Run("OneMail", func(t *testing.T) { testOneMail(t, stores) })
}

const writers = 16

// race runs a call for many writers concurrently and returns how many of them
// succeed. The others must return the error loser.
func race(t *testing.T, loser error, call func(writer int) error) int {
	t.Helper()
	var wins atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			<-start
			switch err := call(w); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, loser):
				t.Errorf("error %v, want %v", err, loser)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(wins.Load())
}

func testOneCreate(t *testing.T, stores [2]jobs.Store) {
	j := job("ann")
	wins := race(t, jobs.ErrExists, func(w int) error {
		return stores[w%2].Create(t.Context(), j)
	})
	if wins != 1 {
		t.Errorf("%d writers created the job, want 1", wins)
	}
}

func testOneClaim(t *testing.T, stores [2]jobs.Store) {
	j := job("ann")
	create(t, stores[0], j)
	var winner atomic.Value
	wins := race(t, jobs.ErrLeased, func(w int) error {
		holder := fmt.Sprint("worker ", w)
		_, err := stores[w%2].Update(t.Context(), j.ID, func(j *jobs.Job) error {
			return j.Claim(Policy, holder, now)
		})
		if err == nil {
			winner.Store(holder)
		}
		return err
	})
	if wins != 1 {
		t.Fatalf("%d workers have the job, want 1", wins)
	}
	if got := get(t, stores[1], j.ID); got.Lease.Holder != winner.Load() || got.Attempts != 1 {
		t.Errorf("after the race: holder %q, %d attempts; want %q, 1", got.Lease.Holder, got.Attempts, winner.Load())
	}
}

// The worker, the janitor and the owner end the same job concurrently.
func testOneFinish(t *testing.T, stores [2]jobs.Store) {
	j := job("ann")
	if err := j.Claim(Policy, "worker", now); err != nil {
		t.Fatal(err)
	}
	create(t, stores[0], j)
	ended := errors.New("ended by another")
	wins := race(t, ended, func(w int) error {
		_, err := stores[w%2].Update(t.Context(), j.ID, func(j *jobs.Job) error {
			switch w % 3 {
			case 0:
				return j.Complete(Policy, "worker", jobs.File{ID: "mp3", Size: 1}, now)
			case 1:
				return j.Cancel(Policy, now)
			default:
				return j.Fail(Policy, "worker", conversion.Corrupt, now)
			}
		})
		if errors.Is(err, jobs.ErrFinished) || errors.Is(err, jobs.ErrLeaseLost) {
			return ended
		}
		return err
	})
	if wins != 1 {
		t.Errorf("the job finished %d times, want once", wins)
	}
}

func testNoLostUpdate(t *testing.T, stores [2]jobs.Store) {
	const each = 10
	j := job("ann")
	create(t, stores[0], j)
	race(t, nil, func(w int) error {
		for range each {
			_, err := stores[w%2].Update(t.Context(), j.ID, func(j *jobs.Job) error {
				j.Wakes++
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	got := get(t, stores[1], j.ID)
	if want := writers * each; got.Wakes != want || got.Revision != int64(want) {
		t.Errorf("after %d updates: %d of them in the record, revision %d", want, got.Wakes, got.Revision)
	}
}
