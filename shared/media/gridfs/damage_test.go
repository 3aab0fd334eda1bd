package gridfs

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
	"mp3converter/test/mongotest"
)

// The driver's own GridFS can read what the store writes, and vice versa.
func TestPlainGridFS(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	bucket := s.files.Database().GridFSBucket(options.GridFSBucket().SetChunkSizeBytes(1000))
	data := mediatest.Bytes(2*chunkSize + 1)

	o := put(t, s, data)
	var read bytes.Buffer
	if _, err := bucket.DownloadToStream(t.Context(), oid(t, o), &read); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read.Bytes(), data) {
		t.Error("the driver reads other bytes than the store wrote")
	}
	var doc bson.M
	if err := s.files.FindOne(t.Context(), bson.D{}).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{
		"length":    int64(len(data)),
		"chunkSize": int32(chunkSize),
		"filename":  "song.mp3",
		"metadata":  bson.D{{Key: "job", Value: o.Job}, {Key: "contentType", Value: "audio/mpeg"}},
	} {
		if got, err := bson.Marshal(bson.D{{Key: "v", Value: doc[field]}}); err != nil {
			t.Error(err)
		} else if want, err := bson.Marshal(bson.D{{Key: "v", Value: want}}); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is %v, want %v", field, bson.Raw(got), bson.Raw(want))
		}
	}

	key := bson.NewObjectID()
	if err := bucket.UploadFromStreamWithID(t.Context(), key, "clip.mp4", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	got, r, err := s.Open(t.Context(), key.Hex())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, data) {
		t.Errorf("the store reads %d bytes, %v; want the %d that the driver wrote", len(all), err, len(data))
	}
	if got.Name != "clip.mp4" || got.Size != int64(len(data)) {
		t.Errorf("the object is %+v", got)
	}
}

// Reading a damaged chunk is an error, not the end of the file.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, c *mongo.Collection){
		"missing":      func(t *testing.T, c *mongo.Collection) { drop(t, c, 3) },
		"last missing": func(t *testing.T, c *mongo.Collection) { drop(t, c, 4) },
		"short":        func(t *testing.T, c *mongo.Collection) { set(t, c, 3, chunkSize-1) },
		"long":         func(t *testing.T, c *mongo.Collection) { set(t, c, 3, chunkSize+1) },
		"empty":        func(t *testing.T, c *mongo.Collection) { set(t, c, 3, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, mongotest.URI(t), mongotest.Database(t))
			data := mediatest.Bytes(4*chunkSize + 9) // chunks 0 to 4
			o := put(t, s, data)
			damage(t, s.chunks)
			_, r, err := s.Open(t.Context(), o.ID)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if err == nil || !strings.Contains(err.Error(), "damaged: chunk") {
				t.Errorf("reading ends after %d bytes with %v, want that a chunk is damaged", len(got), err)
			}
			if len(got) < 3*chunkSize || !bytes.Equal(got, data[:len(got)]) {
				t.Errorf("%d bytes were read before the damage, want all of them", len(got))
			}
		})
	}
}

func drop(t *testing.T, c *mongo.Collection, n int) {
	t.Helper()
	if _, err := c.DeleteOne(t.Context(), bson.D{{Key: "n", Value: n}}); err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, c *mongo.Collection, n, size int) {
	t.Helper()
	_, err := c.UpdateOne(t.Context(), bson.D{{Key: "n", Value: n}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "data", Value: make([]byte, size)}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// An interrupted Delete may have removed any of the chunks.
func TestSweepWithoutFirstChunk(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	o := put(t, s, mediatest.Bytes(3*chunkSize))
	if _, err := s.files.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: oid(t, o)}}); err != nil {
		t.Fatal(err)
	}
	drop(t, s.chunks, 0)
	n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour), nil)
	if n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v; want 1", n, err)
	}
	if left, err := s.chunks.CountDocuments(t.Context(), bson.D{}); left != 0 || err != nil {
		t.Errorf("%d chunks are left, %v", left, err)
	}
}

// Orphans on more than one page, in random order.
func TestSweepPages(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	const orphans = sweepPage + 7
	var docs, files []any
	for i := range 2 * orphans {
		key := bson.NewObjectID()
		docs = append(docs, bson.D{{Key: "files_id", Value: key}, {Key: "n", Value: 0}})
		if i%2 == 0 {
			files = append(files, file{ID: key})
		}
	}
	if _, err := s.chunks.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	if _, err := s.files.InsertMany(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour), nil); n != orphans || err != nil {
		t.Errorf("Sweep = %d, %v; want %d", n, err, orphans)
	}
	if left, err := s.chunks.CountDocuments(t.Context(), bson.D{}); left != orphans || err != nil {
		t.Errorf("%d chunks are left, %v; want %d", left, err, orphans)
	}
}

// A page that could not be read to its end is not the last page.
func TestSweepPageFails(t *testing.T) {
	broken := errors.New("the cursor was lost")
	cursor, err := mongo.NewCursorFromDocuments([]any{bson.D{{Key: "_id", Value: bson.NewObjectID()}}}, broken, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := nextPage(t.Context(), cursor); !errors.Is(err, broken) {
		t.Errorf("nextPage returns %d identifiers, %v; want the cursor's error", len(ids), err)
	}
}

func put(t testing.TB, s *Store, data []byte) media.Object {
	t.Helper()
	o, err := s.Put(t.Context(), media.Object{ID: id.New(), Job: id.New(), Name: "song.mp3", ContentType: "audio/mpeg"}, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func oid(t *testing.T, o media.Object) bson.ObjectID {
	t.Helper()
	key, err := bson.ObjectIDFromHex(o.ID)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
