//go:build linux || darwin

package disk

import (
	"context"
	"fmt"
	"syscall"
)

// Free returns the bytes of the file system that are available to this user.
func (s *Store) Free(ctx context.Context) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("media: free space: %w", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &fs); err != nil {
		return 0, fmt.Errorf("media: free space: %w", err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil //nolint:unconvert // its type depends on the system
}
