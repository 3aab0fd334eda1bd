// Package media stores the bytes of videos and MP3s. Their meaning and their owner
// are in the job record (package jobs).
package media

import (
	"context"
	"errors"
	"io"
	"time"
)

// MinSweepAge is how far in the past the time of a Sweep must be while a Put may be in
// progress.
const MinSweepAge = time.Minute

// ErrNotFound means that no object with that identifier is stored.
var ErrNotFound = errors.New("media: not found")

// An Object describes stored bytes.
type Object struct {
	ID          string    `json:"id"`          // made by package id
	Job         string    `json:"job"`         // the job the bytes belong to
	Name        string    `json:"name"`        // file name; never a path
	ContentType string    `json:"contentType"` // MIME type
	Size        int64     `json:"size"`        // bytes
	CreatedAt   time.Time `json:"createdAt"`   // when Put completed
}

// A Store stores objects. It is safe for concurrent use.
type Store interface {
	Appender

	// Put streams r into a new object under o.ID and returns it with Size
	// and CreatedAt filled in. Put is atomic: the object can be opened only
	// after Put has returned nil. If r fails or ctx ends, Put deletes what it
	// has written, if the store can still be reached, and returns an error
	// that wraps that of r or ctx. If the identifier is in use, Put returns
	// an error and the existing object is unchanged.
	Put(ctx context.Context, o Object, r io.Reader) (Object, error)

	// Open returns an object and a reader positioned at its start, or
	// ErrNotFound. Reads end with ctx. The reader is not safe for
	// concurrent use; any number of readers may be open.
	Open(ctx context.Context, id string) (Object, io.ReadSeekCloser, error)

	// Delete deletes an object. Deleting one that does not exist is no error.
	Delete(ctx context.Context, id string) error

	// List returns up to limit objects that were completed before the given
	// time and whose identifier is greater than after, in order of identifier.
	List(ctx context.Context, before time.Time, after string, limit int) ([]Object, error)

	// Sweep deletes the remains of interrupted Put, Append and Delete calls to which
	// nothing has been written since the given time, except those whose identifiers
	// keep reports true for; nil keeps none. It returns the number of their
	// identifiers. A Put that has stored nothing since that time and continues
	// returns an error. See MinSweepAge.
	Sweep(ctx context.Context, before time.Time, keep func(id string) bool) (int, error)

	// Free returns how many bytes can still be stored. The error wraps
	// errors.ErrUnsupported if the store cannot tell.
	Free(ctx context.Context) (int64, error)
}
