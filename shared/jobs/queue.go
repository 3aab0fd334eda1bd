package jobs

import (
	"slices"
	"time"
)

// MaxStarts is how many starts of attempts a Queue holds at most.
const MaxStarts = 20

// Queue is what decides when the queued jobs of one owner start.
type Queue struct {
	Waiting []string    // identifiers of the owner's queued jobs, the oldest first
	Earlier []int       // numbers of waiting jobs of the owners whose turn comes before this one's
	Later   []int       // and of those whose turn comes after
	Since   time.Time   // when the oldest queued job of all was accepted; zero if there is none
	Starts  []time.Time // of attempts since then, the latest first, at most MaxStarts
}

// Position returns how many jobs start before the owner's queued job with this identifier,
// if no job is added or removed. Owners take turns as Store.Next says. A job of this owner
// that is paused counts as if its pause were over.
func (q Queue) Position(id string) int {
	own, _ := slices.BinarySearch(q.Waiting, id) // the owner's jobs that start before
	n := own
	for _, waiting := range q.Earlier {
		n += min(waiting, own+1)
	}
	for _, waiting := range q.Later {
		n += min(waiting, own)
	}
	return n
}

// ExpectedStart estimates when a job at this position starts, from how fast jobs have
// started while others waited. It is zero if that is not known. The result is in whole
// seconds.
func (q Queue) ExpectedStart(position int, now time.Time) time.Time {
	n, from := len(q.Starts), q.Since
	if n == MaxStarts {
		n, from = n-1, q.Starts[n-1]
	}
	elapsed := now.Sub(from)
	if n == 0 || elapsed <= 0 {
		return time.Time{}
	}
	interval := elapsed / time.Duration(n)
	return now.Add(interval * time.Duration(position+1)).UTC().Truncate(time.Second)
}
