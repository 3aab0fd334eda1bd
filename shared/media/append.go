package media

import (
	"context"
	"errors"
	"io"
)

// ErrConflict means that an object does not have the expected number of bytes, because
// another call has written to it, is writing to it, or has completed it.
var ErrConflict = errors.New("media: the object does not have the expected size")

// An Appender stores objects that arrive in parts. An object of which not all parts have
// arrived cannot be opened and is not listed. Delete deletes it, and so does Sweep.
//
// Only one call should write to an object at a time. If there are more, for example
// because a process continues that was considered dead, each byte is stored by one of
// them, and at least one of them returns an error.
type Appender interface {
	// Append writes r to the end of an object that has offset bytes, or returns
	// ErrConflict. It reads at most up to o.Size, the size of the whole object, and
	// completes the object there as Complete does. It returns how many bytes are
	// durable, also if r fails or if it returns another error; it may then be less
	// than Written returns.
	Append(ctx context.Context, o Object, offset int64, r io.Reader) (n int64, err error)

	// Complete makes an object of which o.Size bytes have been appended available, and
	// returns it with CreatedAt filled in. It returns ErrConflict if the object has
	// another size. It can be repeated.
	Complete(ctx context.Context, o Object) (Object, error)

	// Written returns how many bytes of an object are durable; 0 if there is none.
	Written(ctx context.Context, id string) (int64, error)

	// Truncate shortens an incomplete object that has more than size bytes. After an error
	// it must be repeated before the next Append.
	Truncate(ctx context.Context, id string, size int64) error
}

// LimitReader returns a reader of the first n bytes of r. Unlike that of io.LimitReader it
// fails if r fails after them, instead of reporting the end.
func LimitReader(r io.Reader, n int64) io.Reader { return &limitReader{r, n} }

type limitReader struct {
	r    io.Reader
	left int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	if l.left > 0 {
		p = p[:min(int64(len(p)), l.left)]
		n, err := l.r.Read(p)
		l.left -= int64(n)
		return n, err
	}
	var next [1]byte
	n, err := l.r.Read(next[:])
	if n > 0 || err == nil {
		err = io.EOF
	}
	return 0, err
}
