package gridfs

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
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
