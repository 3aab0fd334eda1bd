package gridfs

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mp3converter/shared/store"
)

var errNoFileSystem = fmt.Errorf("media: free space: %w", errors.ErrUnsupported)

// Free returns the bytes that are free on the server's file system or in the
// database's own files, which do not shrink when objects are deleted. FerretDB
// reports no file system: the error then wraps errors.ErrUnsupported.
func (s *Store) Free(ctx context.Context) (int64, error) {
	var build struct {
		FerretDB string `bson:"ferretdbVersion"`
	}
	if err := s.files.Database().RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&build); err != nil {
		return 0, store.Error(ctx, "media: free space", err)
	}
	if build.FerretDB != "" {
		// To answer dbStats, FerretDB reads the whole database, and writes wait.
		return 0, errNoFileSystem
	}
	var stats dbStats
	command := bson.D{{Key: "dbStats", Value: 1}, {Key: "freeStorage", Value: 1}}
	if err := s.files.Database().RunCommand(ctx, command).Decode(&stats); err != nil {
		return 0, store.Error(ctx, "media: free space", err)
	}
	return stats.free()
}

// dbStats is a part of the reply to the command of that name. The server uses
// several numeric types for each field.
type dbStats struct {
	FSTotalSize *float64 `bson:"fsTotalSize"`
	FSUsedSize  *float64 `bson:"fsUsedSize"`
	FreeStorage float64  `bson:"freeStorageSize"`
}

func (d dbStats) free() (int64, error) {
	if d.FSTotalSize == nil || d.FSUsedSize == nil {
		return 0, errNoFileSystem
	}
	return int64(*d.FSTotalSize - *d.FSUsedSize + d.FreeStorage), nil
}
