package webhooks

import "context"

// A Store stores the settings of users. It is safe for concurrent use, also by several
// processes.
type Store interface {
	// Get returns the settings of a user, or ErrNotFound.
	Get(ctx context.Context, owner string) (Settings, error)

	// Update applies change to the settings of a user atomically and durably and
	// returns the result. For a user without settings, change gets empty ones at
	// revision 0. After a conflict with another writer it applies change to the new
	// settings, so change may run several times and must have no side effects. An error
	// from change is returned unwrapped, and nothing is stored.
	Update(ctx context.Context, owner string, change func(*Settings) error) (Settings, error)

	// Delete deletes the settings of a user. Deleting none is no error.
	Delete(ctx context.Context, owner string) error
}
