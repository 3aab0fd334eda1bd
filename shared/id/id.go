// Package id creates the identifiers of jobs and stored files.
//
// An identifier is 12 bytes, written as 24 hexadecimal digits: seconds since
// 1970, five bytes of process randomness and a counter. That is the layout of
// a MongoDB ObjectID, so GridFS tools accept it, and identifiers sort by the second
// in which they were made. An identifier is not a secret; access is checked by owner.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"
	"time"
)

const size = 12

var (
	process [5]byte
	counter atomic.Uint32
)

func init() {
	var seed [4]byte
	rand.Read(process[:])
	rand.Read(seed[:])
	counter.Store(binary.BigEndian.Uint32(seed[:]))
}

// New returns a unique identifier. It is safe for concurrent use.
func New() string {
	return at(time.Now())
}

func at(now time.Time) string {
	var b [size]byte
	binary.BigEndian.PutUint32(b[0:4], uint32(now.Unix()))
	copy(b[4:9], process[:])
	n := counter.Add(1)
	b[9], b[10], b[11] = byte(n>>16), byte(n>>8), byte(n)
	return hex.EncodeToString(b[:])
}

// Valid reports whether s has the form of an identifier.
func Valid(s string) bool {
	if len(s) != 2*size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Before returns the smallest identifier that can be made in the second of t. Those
// made in earlier seconds sort before it.
func Before(t time.Time) string {
	var b [size]byte
	binary.BigEndian.PutUint32(b[0:4], uint32(t.Unix()))
	return hex.EncodeToString(b[:])
}
