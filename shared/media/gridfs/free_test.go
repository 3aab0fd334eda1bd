package gridfs

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"mp3converter/test/mongotest"
)

// The replies are those that the manual of MongoDB describes, and that of FerretDB.
func TestFree(t *testing.T) {
	for name, c := range map[string]struct {
		reply bson.D
		want  int64
		err   error
	}{
		"MongoDB":             {bson.D{{Key: "fsTotalSize", Value: 100e9}, {Key: "fsUsedSize", Value: 60e9}, {Key: "freeStorageSize", Value: 5e9}}, 45e9, nil},
		"MongoDB, full":       {bson.D{{Key: "fsTotalSize", Value: 100e9}, {Key: "fsUsedSize", Value: 100e9}, {Key: "freeStorageSize", Value: int64(0)}}, 0, nil},
		"other numeric types": {bson.D{{Key: "fsTotalSize", Value: int64(100)}, {Key: "fsUsedSize", Value: int32(60)}}, 40, nil},
		"FerretDB":            {bson.D{{Key: "freeStorageSize", Value: int64(5)}}, 0, errors.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			reply, err := bson.Marshal(c.reply)
			if err != nil {
				t.Fatal(err)
			}
			var stats dbStats
			if err := bson.Unmarshal(reply, &stats); err != nil {
				t.Fatal(err)
			}
			got, err := stats.free()
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%d, %v; want %d, %v", got, err, c.want, c.err)
			}
		})
	}
}

// To answer dbStats, FerretDB reads the whole database, and writes wait. The answer lacks
// the file system.
func TestFreeOfFerretDB(t *testing.T) {
	s := openMonitored(t, mongotest.URI(t), mongotest.Database(t), func(e *event.CommandStartedEvent) {
		if e.CommandName == "dbStats" {
			t.Error("dbStats was sent")
		}
	})
	var build bson.M
	if err := s.files.Database().RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Decode(&build); err != nil {
		t.Fatal(err)
	}
	if build["ferretdbVersion"] == nil {
		t.Skip("not FerretDB")
	}
	if _, err := s.Free(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Free: %v, want errors.ErrUnsupported", err)
	}
}
