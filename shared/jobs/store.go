package jobs

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound means that there is no job with that identifier.
	ErrNotFound = errors.New("jobs: not found")
	// ErrExists means that a job with that identifier, or with that idempotency key of
	// the owner, is already stored.
	ErrExists = errors.New("jobs: already exists")
)

// A Store stores job records. It is safe for concurrent use, also by several
// processes.
type Store interface {
	// Create stores a new job durably, or returns ErrExists. A job with an idempotency
	// key must be in the state Uploading: of concurrent jobs with the same key, all but
	// one may be stored for a moment.
	Create(ctx context.Context, j Job) error

	// ByKey returns the owner's job with an idempotency key, in any state, or
	// ErrNotFound.
	ByKey(ctx context.Context, owner, key string) (Job, error)

	// Get returns a job or ErrNotFound.
	Get(ctx context.Context, id string) (Job, error)

	// Update applies change to a job atomically and durably and returns the
	// result. After a conflict with another writer it applies change to the
	// new record, so change may run several times and must have no side
	// effects. An error from change is returned unwrapped, and nothing is
	// stored. Update returns ErrNotFound for a job that does not exist or is
	// deleted meanwhile.
	Update(ctx context.Context, id string, change func(*Job) error) (Job, error)

	// Delete deletes a job. Deleting one that does not exist is no error.
	Delete(ctx context.Context, id string) error

	// List returns up to limit jobs of an owner that f selects and that are not
	// Uploading, newest first.
	List(ctx context.Context, owner string, f Filter, limit int) ([]Job, error)

	// Due returns up to limit jobs whose DueAt is not after now, the earliest
	// first.
	Due(ctx context.Context, now time.Time, limit int) ([]Job, error)

	// Next returns the queued job that should be converted next, or ErrNotFound.
	// It is the oldest job that is not paused, of the owner whose latest
	// attempt began the longest ago: owners take turns, however many jobs each
	// of them has queued. Attempts at jobs that have been deleted count too.
	Next(ctx context.Context, now time.Time) (Job, error)

	// Queue returns the queue as it concerns an owner. It is empty if the owner has no
	// queued jobs.
	Queue(ctx context.Context, owner string, now time.Time) (Queue, error)

	// Usage returns what an owner's jobs occupy, those that are Uploading included.
	Usage(ctx context.Context, owner string) (Usage, error)

	// Count counts jobs for monitoring: those that are unfinished, and those that have
	// finished after since.
	Count(ctx context.Context, now, since time.Time) (Counts, error)

	// CountMail counts the mail about a job to an address, once per job, and returns
	// how many the address has been sent within MailWindow, this one included. With
	// ErrMailLimit they are limit or more, and this one is not counted. The count does
	// not depend on the jobs, which their owner may delete.
	CountMail(ctx context.Context, address, job string, limit int, now time.Time) (int, error)

	// Now returns the time by the store's clock, which all processes share. The
	// rules are applied with it, because a lease that one process grants by a
	// clock of its own may have expired by that of another.
	Now() time.Time

	// Ping reports whether the store can be reached.
	Ping(ctx context.Context) error
}

// Usage is what the jobs of one owner occupy.
type Usage struct {
	Unfinished int   // jobs
	Bytes      int64 // videos of unfinished jobs, videos kept after a failure, and MP3s
}

// Counts are numbers of jobs, of all owners together.
type Counts struct {
	Queued       int
	Paused       int       // queued, and the pause after a failed attempt is not over
	OldestQueued time.Time // when the oldest queued job was accepted (see AcceptedAt); zero if there is none
	Converting   int
	Finished     map[string]int // done and failed jobs by failure code, which is "" for done
}
