// Package gridfs stores media in MongoDB as plain GridFS, which mongofiles and
// every driver can read. It is the store of a cluster. Of the server it uses only
// inserts, finds, updates of one document, deletes, two indexes, one aggregation ($match, $group), and
// the commands buildInfo and dbStats.
//
// The document in fs.files is written last and deleted first, so an object that
// has one is complete. The exception is a tombstone, an empty document with
// metadata.deleted, which exists for some time after an interrupted Put.
package gridfs

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/semaphore"

	"mp3converter/shared/media"
	"mp3converter/shared/mongodb"
)

// Store is a media.Store in the GridFS bucket "fs" of a database.
type Store struct {
	files, chunks *mongo.Collection
	inserts       *semaphore.Weighted // of chunks

	// Constants, except in tests.
	flushInterval time.Duration
	minSweepAge   time.Duration
}

var _ media.Store = (*Store)(nil)

// Open returns the store in db and creates the indexes of the GridFS
// specification that the bucket lacks. It fails within seconds when no server
// can be reached. The caller closes db's client.
func Open(ctx context.Context, db *mongo.Database) (*Store, error) {
	s := &Store{
		files:         db.Collection("fs.files"),
		chunks:        db.Collection("fs.chunks"),
		inserts:       semaphore.NewWeighted(maxInserts),
		flushInterval: flushInterval,
		minSweepAge:   media.MinSweepAge,
	}
	if err := mongodb.EnsureIndexes(ctx, s.chunks,
		mongodb.Index{Keys: bson.D{{Key: "files_id", Value: 1}, {Key: "n", Value: 1}}, Unique: true}); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if err := mongodb.EnsureIndexes(ctx, s.files,
		mongodb.Index{Keys: bson.D{{Key: "filename", Value: 1}, {Key: "uploadDate", Value: 1}}}); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	return s, nil
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
	Deleted     bool   `bson:"deleted,omitempty"` // a tombstone
}

// UnmarshalBSONValue ignores the metadata of other programs, which may be of any type.
func (m *metadata) UnmarshalBSONValue(kind byte, data []byte) error {
	doc, ok := bson.RawValue{Type: bson.Type(kind), Value: data}.DocumentOK()
	if !ok {
		return nil
	}
	m.Job, _ = doc.Lookup("job").StringValueOK()
	m.ContentType, _ = doc.Lookup("contentType").StringValueOK()
	m.Deleted, _ = doc.Lookup("deleted").BooleanOK()
	return nil
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
