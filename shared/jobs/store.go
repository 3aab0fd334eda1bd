package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound says that there is no job of that identifier.
	ErrNotFound = errors.New("jobs: not found")
	// ErrExists says that a job of that identifier is already stored.
	ErrExists = errors.New("jobs: already exists")
)

// A Store keeps job records. It is safe for concurrent use, also by several
// processes.
type Store interface {
	// Create stores a new job durably, or returns ErrExists.
	Create(ctx context.Context, j Job) error

	// Get returns a job or ErrNotFound.
	Get(ctx context.Context, id string) (Job, error)

	// Update applies change to a job atomically and durably and returns the
	// result. When another writer got in between, change is applied afresh
	// to what that writer stored, so it may run several times and must have
	// no effect but on the job. An error from change is returned as it is,
	// and nothing is stored. Update returns ErrNotFound for a job that is
	// not there, also when it is deleted meanwhile.
	Update(ctx context.Context, id string, change func(*Job) error) (Job, error)

	// Delete removes a job. Removing one that is not there is no error.
	Delete(ctx context.Context, id string) error

	// List returns up to limit jobs of an owner, newest first, beginning
	// below the identifier before ("" for the newest).
	List(ctx context.Context, owner, before string, limit int) ([]Job, error)

	// Due returns up to limit jobs whose DueAt is not after now, the longest
	// due first.
	Due(ctx context.Context, now time.Time, limit int) ([]Job, error)

	// Ping reports whether the store can be reached.
	Ping(ctx context.Context) error
}

// StoreError is what a Store returns when its backend fails at doing something. A
// context that has ended is the reason, whichever error it came out as.
func StoreError(ctx context.Context, doing string, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	return fmt.Errorf("jobs: %s: %w", doing, err)
}
