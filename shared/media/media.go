// Package media is where the bytes of videos and MP3s live. What they mean,
// and to whom they belong, is the job record's business (package jobs).
package media

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNotFound says that no object of that identifier is stored.
var ErrNotFound = errors.New("media: not found")

// An Object describes stored bytes.
type Object struct {
	ID          string    `json:"id"`          // as package id makes them
	Job         string    `json:"job"`         // the job the bytes belong to
	Name        string    `json:"name"`        // file name for a person; never a path
	ContentType string    `json:"contentType"` // MIME type
	Size        int64     `json:"size"`        // bytes
	CreatedAt   time.Time `json:"createdAt"`   // when the last byte was stored
}

// A Store keeps objects. It is safe for concurrent use.
type Store interface {
	// Put streams r into a new object under o.ID and returns it with Size
	// and CreatedAt filled in. The object is stored whole or not at all: it
	// can be opened only once Put has returned nil. When r fails or ctx
	// ends, what was written is removed, if the store can still be reached,
	// and the error wraps r's own. Under an identifier that is taken nothing
	// is stored, and what is there stays.
	Put(ctx context.Context, o Object, r io.Reader) (Object, error)

	// Open returns an object and a reader positioned at its start, or
	// ErrNotFound. Reads end with ctx. The reader is not safe for
	// concurrent use; any number of readers may be open.
	Open(ctx context.Context, id string) (Object, io.ReadSeekCloser, error)

	// Delete removes an object. Removing one that is not there is no error.
	Delete(ctx context.Context, id string) error

	// List returns up to limit objects that were begun before the given
	// instant, by the time in their identifiers, and whose identifier is
	// greater than after, in order of identifier.
	List(ctx context.Context, before time.Time, after string, limit int) ([]Object, error)

	// Sweep removes what interrupted calls of Put and Delete begun before
	// the given instant have left behind, and returns the number of objects
	// it cleaned up after.
	Sweep(ctx context.Context, before time.Time) (int, error)
}
