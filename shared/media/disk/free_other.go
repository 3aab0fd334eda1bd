//go:build !linux && !darwin

package disk

import (
	"context"
	"errors"
	"fmt"
)

// Free is not supported here.
func (s *Store) Free(context.Context) (int64, error) {
	return 0, fmt.Errorf("media: free space: %w", errors.ErrUnsupported)
}
