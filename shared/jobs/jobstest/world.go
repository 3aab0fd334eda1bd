package jobstest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"mp3converter/shared/jobs"
)

const (
	// workers is how many attempts run at a time.
	workers = 2
	// orphanAge is how old a video without a record is when the janitor deletes it,
	// and fileAge the same for other files.
	orphanAge = 2 * time.Hour
	fileAge   = 10 * time.Minute
	// landing is how late a write may take effect that was answered with an error.
	landing = 40 * time.Second
	// horizon is later than anything in the model.
	horizon = 100 * 365 * 24 * time.Hour
)

// policy has small numbers, so that jobs reach them.
var policy = jobs.Policy{
	MaxAttempts: 2, MaxDeaths: 2, MaxAge: 12 * time.Hour, RetryMax: 30 * time.Second,
	Lease: time.Minute, Wake: time.Minute, WakeMax: 10 * time.Minute, Retention: 24 * time.Hour, UploadTTL: time.Hour, KeepFailed: 90 * time.Minute,
}

// errAway is the error of a store or a queue that is away.
var errAway = errors.New("away")

// kind says what an attempt at the video does.
type kind string

const (
	good    kind = "good"
	corrupt kind = "corrupt"
	deadly  kind = "deadly" // kills ffmpeg
	heavy   kind = "heavy"  // exceeds a limit, or not
)

// record is what the model knows about a job.
type record struct {
	job      jobs.Job // as the store must have it
	kind     kind
	accepted bool // answered 202
	gone     bool // deleted
	erasing  bool // its deletion has begun

	acceptedAt time.Time // when it was created or last retried

	suspect int             // attempts that the video may have ended
	deaths  int             // workers that died during an attempt
	drained map[string]bool // holders that have recorded that they stop
	told    []string        // channels that have been recorded as notified
}

// retried forgets what belongs to the attempts before a retry.
func (r *record) retried(at time.Time) {
	r.acceptedAt = at
	r.suspect, r.deaths, r.told = 0, 0, nil
}

// object is a file in a media store.
type object struct {
	job     string
	created time.Time
}

// message is a wake-up on a queue.
type message struct{ queue, job string }

// lateWrite is a write that was answered with an error and may still take effect.
type lateWrite struct {
	until time.Time
	apply func()
}

// world is the stores, the queues and the processes, and what the model knows of them.
type world struct {
	t       *rapid.T
	store   jobs.Store
	now     time.Time // by the store's clock
	faults  bool      // stores and queues fail at random
	serial  int
	owners  []string
	records map[string]*record
	order   []string // of the records' creation
	videos  map[string]*object
	audio   map[string]*object
	queue   []message
	late    []lateWrite
	running []*process
	passed  map[string]map[string]int // by the owner who waits and the owner who started
	log     []string
	failure string
}

// newWorld returns a world with owners of its own: the store remembers their turns after
// all records are deleted.
func newWorld(t *rapid.T, s jobs.Store) *world {
	n := worlds.Add(1)
	return &world{
		t: t, store: s, now: now, faults: true,
		owners:  []string{fmt.Sprint("ann", n), fmt.Sprint("bob", n), fmt.Sprint("cy", n)},
		records: map[string]*record{}, videos: map[string]*object{}, audio: map[string]*object{},
		passed: map[string]map[string]int{},
	}
}

var worlds atomic.Int64

// broken records that an invariant does not hold. The first one counts.
func (w *world) broken(invariant, format string, args ...any) {
	if w.failure == "" {
		w.failure = invariant + "\n" + fmt.Sprintf(format, args...)
	}
}

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%9v  ", w.now.Sub(now))+fmt.Sprintf(format, args...))
}

// newID returns an identifier. They are the same whenever a case is repeated.
func (w *world) newID() string {
	w.serial++
	return fmt.Sprintf("%024x", w.serial)
}

// objects returns the identifiers of files in order.
func objects(files map[string]*object) []string { return slices.Sorted(maps.Keys(files)) }

// short returns the end of an identifier.
func short(id string) string { return strings.TrimLeft(id, "0") }
