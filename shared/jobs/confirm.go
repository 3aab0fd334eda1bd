package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// MaxWrites is how often Confirm writes.
const MaxWrites = 3

// Confirm calls write, which must be repeatable, until the store confirms it. After an error
// the record may have been written, or may be later, or may be rolled back. Each call may
// take as long as timeout. If write reports that there is nothing to do, it is not repeated,
// except when the record does not exist: its creation may have been rolled back.
func Confirm(ctx context.Context, timeout time.Duration, write func(context.Context) error) (err error) {
	for n := range MaxWrites {
		if n > 0 {
			slog.WarnContext(ctx, "record not confirmed, writing it again", "error", err)
		}
		err = tryWrite(ctx, timeout, write)
		if err == nil || NothingToDo(err) && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return err
}

func tryWrite(ctx context.Context, timeout time.Duration, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return write(ctx)
}
