// Package store holds what the stores of job records and of media have in
// common: how they report that a backend failed.
package store

import (
	"context"
	"errors"
	"fmt"
)

// Error wraps err, the failure of the operation op, such as "jobs: create". If
// ctx has ended, the result wraps ctx's error as well: drivers report an ended
// context by errors of their own.
func Error(ctx context.Context, op string, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}
