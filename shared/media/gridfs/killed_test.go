package gridfs

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
	"mp3converter/shared/mongodb"
	"mp3converter/test/mongotest"
)

// The server is killed during an upload: the upload fails soon. After the restart the
// same store works and sweeps.
func TestServerKilledDuringPut(t *testing.T) {
	server := mongotest.Start(t)
	s := open(t, server.URI, "killed")
	data := mediatest.Bytes(3 * putBatch * chunkSize)

	var killed time.Time
	kill := readerFunc(func([]byte) (int, error) {
		server.Kill(t)
		killed = time.Now()
		return 0, io.EOF
	})
	_, err := s.Put(t.Context(), media.Object{ID: id.New()}, io.MultiReader(bytes.NewReader(data), kill, bytes.NewReader(data)))
	if err == nil {
		t.Error("Put into a dead server succeeds")
	}
	if took := time.Since(killed); took > 6*mongodb.ConnectTimeout {
		t.Errorf("Put took %v to fail", took)
	}

	server.Restart(t)
	o := put(t, s, data)
	if _, err := s.Sweep(t.Context(), time.Now().Add(time.Hour), nil); err != nil {
		t.Errorf("Sweep: %v", err)
	}
	list, err := s.List(t.Context(), time.Now().Add(time.Hour), "", 10)
	if err != nil || len(list) != 1 || list[0] != o {
		t.Errorf("List = %v, %v; want only what was stored after the restart", list, err)
	}
}

// The server is killed during a download and restarts before the retries end: the
// download continues.
func TestServerKilledDuringRead(t *testing.T) {
	server := mongotest.Start(t)
	s := open(t, server.URI, "killed")
	data := mediatest.Bytes(30 * chunkSize)
	o := put(t, s, data)
	_, r, err := s.Open(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	start := make([]byte, chunkSize)
	if _, err := io.ReadFull(r, start); err != nil {
		t.Fatal(err)
	}
	server.Kill(t)
	server.Restart(t)
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(start, rest...), data) {
		t.Errorf("after the restart read %d bytes, %v; want %d", len(rest), err, len(data)-len(start))
	}
}

// The server is killed during a download and does not restart.
func TestServerDownDuringRead(t *testing.T) {
	server := mongotest.Start(t)
	s := open(t, server.URI, "killed")
	o := put(t, s, mediatest.Bytes(30*chunkSize))
	_, r, err := s.Open(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	server.Kill(t)
	begun := time.Now()
	n, err := io.Copy(io.Discard, r)
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading ends after %d bytes with %v, want a connection error", n, err)
	}
	if took := time.Since(begun); took > 6*mongodb.ConnectTimeout {
		t.Errorf("reading took %v to fail", took)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
