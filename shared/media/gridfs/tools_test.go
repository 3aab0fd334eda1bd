package gridfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
	"mp3converter/test/gridfstools"
	"mp3converter/test/mongotest"
)

// mongofiles and Python read what the store writes, and the store reads what they write.
func TestTools(t *testing.T) {
	tools, err := gridfstools.Tools()
	if err != nil {
		t.Fatal(err)
	}
	uri := mongotest.URI(t)
	server := toolServer(t, uri)
	for _, tool := range tools {
		t.Run(tool.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			database := mongotest.Database(t)
			s := open(t, uri, database)
			for _, size := range []int{0, 1, 3*chunkSize + 12345} {
				data := mediatest.Bytes(size)
				path := filepath.Join(t.TempDir(), "clip.mp4")

				stored := put(t, s, data)
				appended := putInParts(t, s, data)
				if err := tool.Get(ctx, server, database, appended.ID, path); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
					t.Errorf("the tool reads %d bytes of %d that were stored in parts, %v", len(got), size, err)
				}
				if err := tool.Get(ctx, server, database, stored.ID, path); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
					t.Errorf("the tool reads %d bytes of %d, %v", len(got), size, err)
				}

				o := media.Object{ID: id.New(), Name: "clip.mp4", Size: int64(size)}
				if err := tool.Put(ctx, server, database, o.ID, path); err != nil {
					t.Fatal(err)
				}
				checkObject(t, s, o, data)
				if err := tool.Delete(ctx, server, database, stored.ID); err != nil {
					t.Fatal(err)
				}
				if _, _, err := s.Open(ctx, stored.ID); !errors.Is(err, media.ErrNotFound) {
					t.Errorf("Open after the tool has deleted the object: %v, want %v", err, media.ErrNotFound)
				}
			}
		})
	}
}

func toolServer(t *testing.T, uri string) gridfstools.Server {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return gridfstools.Server{Address: u.Host, Username: u.User.Username(), Password: password}
}

// checkObject checks that the object is listed and can be read, as a whole and in parts,
// and deletes it.
func checkObject(t *testing.T, s *Store, want media.Object, data []byte) {
	t.Helper()
	got, r, err := s.Open(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if want.CreatedAt = got.CreatedAt; got != want {
		t.Errorf("the object is %+v, want %+v", got, want)
	}
	mediatest.Compare(t, r, data, []byte{2, 0xff, 0xff, 0xff, 7, 0xff, 0xff, 5, 4, 0, 0, 0, 0, 1, 0, 0, 5, 9, 0, 0})
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, data) {
		t.Errorf("the store reads %d bytes of %d, %v", len(all), len(data), err)
	}
	list, err := s.List(t.Context(), time.Now().Add(time.Hour), "", 10)
	if err != nil || len(list) == 0 || list[len(list)-1].ID != want.ID {
		t.Errorf("List = %+v, %v; want %s last", list, err, want.ID)
	}
	if err := s.Delete(t.Context(), want.ID); err != nil {
		t.Error(err)
	}
}

// Other programs use other BSON types and have metadata of their own.
func TestForeignFiles(t *testing.T) {
	uri := mongotest.URI(t)
	const size, chunk = 2500, 1000
	data := mediatest.Bytes(size)
	for name, change := range map[string]bson.M{
		"no metadata":              {},
		"null for metadata":        {"metadata": nil},
		"text for metadata":        {"metadata": "holiday"},
		"other metadata":           {"metadata": bson.M{"owner": "me", "tags": bson.A{"a"}}},
		"metadata of other types":  {"metadata": bson.M{"job": 5, "contentType": bson.M{}, "deleted": "no"}},
		"numbers from a shell":     {"length": float64(size), "chunkSize": float64(chunk)},
		"numbers of 64 bits":       {"length": int64(size), "chunkSize": int64(chunk)},
		"no name":                  {"filename": nil},
		"fields of older versions": {"md5": "x", "contentType": "video/mp4", "aliases": bson.A{"y"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, uri, mongotest.Database(t))
			key := bson.NewObjectID()
			doc := bson.M{"_id": key, "length": int32(size), "chunkSize": int32(chunk), "uploadDate": time.Now(), "filename": "clip.mp4"}
			for field, value := range change {
				doc[field] = value
			}
			if _, err := s.files.InsertOne(t.Context(), doc); err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				part := data[n*chunk : min(size, (n+1)*chunk)]
				if _, err := s.chunks.InsertOne(t.Context(), bson.M{"files_id": key, "n": float64(n), "data": part}); err != nil {
					t.Fatal(err)
				}
			}
			want := media.Object{ID: key.Hex(), Name: "clip.mp4", Size: size}
			if _, ok := change["filename"]; ok {
				want.Name = ""
			}
			checkObject(t, s, want, data)
		})
	}
}

// mongofiles can store a file under any ID. The store ignores those that are not its own.
func TestForeignIDs(t *testing.T) {
	uri := mongotest.URI(t)
	s := open(t, uri, mongotest.Database(t))
	for _, key := range []any{"holiday", 17, int64(1) << 40, bson.M{"a": 1}} {
		if _, err := s.files.InsertOne(t.Context(), bson.M{"_id": key, "length": 1, "chunkSize": 1, "uploadDate": time.Now(), "filename": "x"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.chunks.InsertOne(t.Context(), bson.M{"files_id": key, "n": 0, "data": []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.chunks.InsertOne(t.Context(), bson.M{"files_id": "orphan", "n": 0, "data": []byte{1}}); err != nil {
		t.Fatal(err)
	}
	o := put(t, s, mediatest.Bytes(10))
	list, err := s.List(t.Context(), time.Now().Add(time.Hour), "", 10)
	if err != nil || len(list) != 1 || list[0].ID != o.ID {
		t.Errorf("List = %+v, %v; want only %s", list, err, o.ID)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour), nil); n != 0 || err != nil {
		t.Errorf("Sweep = %d, %v; want 0", n, err)
	}
}

// putInParts stores an object in two parts, the first of which ends inside a chunk.
func putInParts(t *testing.T, s *Store, data []byte) media.Object {
	t.Helper()
	o := media.Object{ID: id.New(), Job: id.New(), Name: "clip.mp4", Size: int64(len(data))}
	half := len(data) / 2
	for _, part := range [][]byte{data[:half], data[half:]} {
		offset, err := s.Written(t.Context(), o.ID)
		if err == nil {
			_, err = s.Append(t.Context(), o, offset, bytes.NewReader(part))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return o
}
