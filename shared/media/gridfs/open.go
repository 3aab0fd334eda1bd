// Package gridfs keeps media in MongoDB as plain GridFS: the store of a
// cluster. mongofiles and every driver can read what it writes. It asks nothing
// of the server but inserts, finds, deletes and two indexes.
//
// The document in fs.files is written last and removed first: where it is, the
// object is whole.
package gridfs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/media"
	"mp3converter/shared/mongodb"
)

// Store is a media.Store in the GridFS bucket "fs" of a database.
type Store struct {
	client        *mongo.Client
	files, chunks *mongo.Collection
}

var _ media.Store = (*Store)(nil)

// Open connects to the server at uri and makes the indexes that the bucket in
// the given database lacks. It fails within seconds when no server can be
// reached; once open, the store finds its server again by itself.
func Open(ctx context.Context, uri, database string) (*Store, error) {
	client, err := mongodb.Connect(uri)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	db := client.Database(database)
	s := &Store{client: client, files: db.Collection("fs.files"), chunks: db.Collection("fs.chunks")}
	if err := s.index(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("media: %w", err)
	}
	return s, nil
}

// index makes the indexes that the GridFS specification asks for.
func (s *Store) index(ctx context.Context) error {
	err := mongodb.Ensure(ctx, s.chunks,
		mongodb.Index{Keys: bson.D{{Key: "files_id", Value: 1}, {Key: "n", Value: 1}}, Unique: true})
	if err != nil {
		return err
	}
	return mongodb.Ensure(ctx, s.files,
		mongodb.Index{Keys: bson.D{{Key: "filename", Value: 1}, {Key: "uploadDate", Value: 1}}})
}

// Close ends the connections. Calls that are under way fail.
func (s *Store) Close() error {
	return mongodb.Close(s.client)
}

// file is a document of fs.files.
type file struct {
	ID         bson.ObjectID `bson:"_id"`
	Length     int64         `bson:"length"`
	ChunkSize  int32         `bson:"chunkSize"`
	UploadDate time.Time     `bson:"uploadDate"`
	Filename   string        `bson:"filename"`
	Metadata   metadata      `bson:"metadata"`
}

type metadata struct {
	Job         string `bson:"job"`
	ContentType string `bson:"contentType"`
}

func (f file) object() media.Object {
	return media.Object{
		ID:          f.ID.Hex(),
		Job:         f.Metadata.Job,
		Name:        f.Filename,
		ContentType: f.Metadata.ContentType,
		Size:        f.Length,
		CreatedAt:   f.UploadDate,
	}
}

// failed says what failed. A context that has ended is the reason, whichever
// of the driver's errors it came out as.
func failed(ctx context.Context, doing string, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("media: %s: %w", doing, err)
}
