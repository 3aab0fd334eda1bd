package gridfs

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
	"mp3converter/test/mongotest"
)

// A sweep was killed after it had inserted a tombstone. The object does not exist and
// cannot be made; the next sweep deletes its chunks and the tombstone.
func TestTombstone(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	begun := time.Now()
	keeps := put(t, s, mediatest.Bytes(1))
	o := put(t, s, mediatest.Bytes(3*chunkSize))
	if _, err := s.files.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: oid(t, o)}}); err != nil {
		t.Fatal(err)
	}
	if inserted, err := s.insertTombstone(t.Context(), oid(t, o)); !inserted || err != nil {
		t.Fatalf("insertTombstone = %v, %v", inserted, err)
	}

	if err := s.Delete(t.Context(), o.ID); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, _, err := s.Open(t.Context(), o.ID); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Open: %v, want %v", err, media.ErrNotFound)
	}
	future := time.Now().Add(time.Hour)
	if all, err := s.List(t.Context(), future, "", 10); len(all) != 1 || err != nil {
		t.Errorf("List = %v, %v; want the other object only", all, err)
	}
	if _, err := s.Put(t.Context(), media.Object{ID: o.ID}, bytes.NewReader(nil)); err == nil {
		t.Error("Put under the identifier of a tombstone succeeds")
	}

	for _, c := range []struct {
		before time.Time
		want   int
	}{{begun.Add(-time.Minute), 0}, {future, 1}, {future, 0}} {
		if n, err := s.Sweep(t.Context(), c.before, nil); n != c.want || err != nil {
			t.Errorf("Sweep = %d, %v; want %d", n, err, c.want)
		}
	}
	if left, err := s.chunks.CountDocuments(t.Context(), bson.D{{Key: "files_id", Value: oid(t, o)}}); left != 0 || err != nil {
		t.Errorf("%d chunks are left, %v", left, err)
	}
	if _, _, err := s.Open(t.Context(), keeps.ID); err != nil {
		t.Errorf("the other object: %v", err)
	}
}

// An object without its chunks is not served as good, and can be found and deleted.
func TestObjectWithoutChunks(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	o := put(t, s, mediatest.Bytes(chunkSize))
	drop(t, s.chunks, 0)
	_, r, err := s.Open(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); err == nil {
		t.Errorf("reading ends after %d bytes without an error", n)
	}
	if all, err := s.List(t.Context(), time.Now().Add(time.Hour), "", 10); len(all) != 1 || err != nil {
		t.Errorf("List = %v, %v; want the object", all, err)
	}
	if err := s.Delete(t.Context(), o.ID); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, _, err := s.Open(t.Context(), o.ID); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Open: %v, want %v", err, media.ErrNotFound)
	}
}

// A slow Put sends whole chunks before its buffer is full, so that Sweep sees that it
// is active.
func TestSlowPutSendsChunks(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	s.flushInterval = 0
	data := mediatest.Bytes(3*chunkSize + 1)
	waiting := readerFunc(func([]byte) (int, error) { waitForChunks(t, s, 3); return 0, io.EOF })
	o, err := s.Put(t.Context(), media.Object{ID: id.New()}, io.MultiReader(bytes.NewReader(data), waiting))
	if err != nil {
		t.Fatal(err)
	}
	_, r, err := s.Open(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v; want %d", len(got), err, len(data))
	}
}
