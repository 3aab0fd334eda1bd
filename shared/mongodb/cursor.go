package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// ReadAll reads a cursor to its end and closes it. Unlike Cursor.All it applies
// the client's timeout to each batch.
func ReadAll[T any](ctx context.Context, cursor *mongo.Cursor) ([]T, error) {
	defer CloseCursor(ctx, cursor)
	var all []T
	for cursor.Next(ctx) {
		var v T
		if err := cursor.Decode(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, cursor.Err()
}

// CloseCursor closes a cursor on the server too, even if ctx has ended. Errors
// are ignored: the server closes idle cursors itself.
func CloseCursor(ctx context.Context, cursor *mongo.Cursor) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ConnectTimeout)
	defer cancel()
	_ = cursor.Close(ctx)
}
