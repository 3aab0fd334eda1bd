// Package mediatest is the contract suite of media.Store.
package mediatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

// Run tests a store. Each call of open returns a new empty one, which it closes with
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) media.Store) {
	for name, test := range map[string]func(*testing.T, media.Store){
		"Sizes":           testSizes,
		"Exists":          testExists,
		"InProgress":      testInProgress,
		"NotFound":        testNotFound,
		"ReaderFails":     testReaderFails,
		"ContextEnds":     testContextEnds,
		"ConcurrentPuts":  testConcurrentPuts,
		"ConcurrentReads": testConcurrentReads,
		"Delete":          testDelete,
		"Cancelled":       testCancelled,
		"Seek":            testSeek,
		"ReadsEnd":        testReadsEnd,
		"ServeContent":    testServeContent,
		"List":            testList,
		"ListByAge":       testListByAge,
		"Sweep":           testSweep,
		"SweepSparesPut":  testSweepSparesPut,
		"SweptPut":        testSweptPut,
		"Free":            testFree,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	for name, test := range appendTests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// Chunk is the size of a GridFS chunk; sizes around it are tested.
const Chunk = 255 << 10

// Bytes returns n bytes without a repeating pattern.
func Bytes(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(data)
	return data
}

func object() media.Object {
	return media.Object{
		ID:          id.New(),
		Job:         id.New(),
		Name:        "Grüße “1” ../世界\U0001F3B5.mp4",
		ContentType: "video/mp4",
	}
}

func testSizes(t *testing.T, s media.Store) {
	for _, size := range []int{0, 1, Chunk - 1, Chunk, Chunk + 1, 2 * Chunk, 5<<20 + 13, 17 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want, data := object(), Bytes(size)
			begun := time.Now().Truncate(time.Millisecond)
			got, err := s.Put(t.Context(), want, bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if got.CreatedAt.Before(begun) || got.CreatedAt.After(time.Now()) {
				t.Errorf("created at %v, want the time of Put", got.CreatedAt)
			}
			want.Size, want.CreatedAt = int64(size), got.CreatedAt
			if got != want {
				t.Errorf("Put:\n got %+v\nwant %+v", got, want)
			}
			holds(t, s, want, data)
		})
	}
}

func testExists(t *testing.T, s media.Store) {
	data := Bytes(Chunk + 1)
	want := put(t, s, object(), data)
	for _, size := range []int{0, 1, 3 * Chunk} {
		again := object()
		again.ID = want.ID
		if _, err := s.Put(t.Context(), again, bytes.NewReader(Bytes(size))); err == nil {
			t.Errorf("Put of %d bytes under an existing identifier succeeds", size)
		}
		holds(t, s, want, data)
	}
}

// A Put under the identifier of one in progress fails and does not disturb it.
func testInProgress(t *testing.T, s media.Store) {
	first, data := object(), Bytes(some)
	second := call(func() {
		again := object()
		again.ID = first.ID
		if _, err := s.Put(t.Context(), again, bytes.NewReader(Bytes(some))); err == nil {
			t.Error("Put under the identifier of a Put in progress succeeds")
		}
	})
	stored, err := s.Put(t.Context(), first, io.MultiReader(bytes.NewReader(data), second))
	if err != nil {
		t.Fatalf("the Put in progress: %v", err)
	}
	holds(t, s, stored, data)
}

func testNotFound(t *testing.T, s media.Store) {
	put(t, s, object(), Bytes(1))
	for _, key := range []string{id.New(), "", ".", "0123456789ABCDEF01234567"} {
		if _, _, err := s.Open(t.Context(), key); !errors.Is(err, media.ErrNotFound) {
			t.Errorf("Open(%q): %v, want %v", key, err, media.ErrNotFound)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q): %v", key, err)
		}
	}
	o := object()
	o.ID = "../escaped"
	if _, err := s.Put(t.Context(), o, bytes.NewReader(nil)); err == nil {
		t.Error("Put under an invalid identifier succeeds")
	}
}

// failAfter lists the numbers of bytes after which an upload fails.
var failAfter = []int{0, 1, Chunk + 1, 9 << 20}

func testReaderFails(t *testing.T, s media.Store) {
	// The second is the error of a truncated request body.
	for _, broken := range []error{errors.New("the connection broke"), io.ErrUnexpectedEOF} {
		for _, n := range failAfter {
			o := object()
			_, err := s.Put(t.Context(), o, io.MultiReader(bytes.NewReader(Bytes(n)), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) {
				t.Errorf("Put of a reader failing after %d bytes: %v, want %v", n, err, broken)
			}
			absent(t, s, o.ID)
		}
	}
	nothingLeft(t, s)
}

func testContextEnds(t *testing.T, s media.Store) {
	for _, n := range failAfter {
		ctx, cancel := context.WithCancel(t.Context())
		o := object()
		endless := readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
		_, err := s.Put(ctx, o, io.MultiReader(bytes.NewReader(Bytes(n)), endless))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Put cancelled after %d bytes: %v, want %v", n, err, context.Canceled)
		}
		absent(t, s, o.ID)
	}
	nothingLeft(t, s)
}

func testConcurrentPuts(t *testing.T, s media.Store) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			data := Bytes(i*Chunk + i)
			o, err := s.Put(t.Context(), object(), bytes.NewReader(data))
			if err != nil {
				t.Error(err)
				return
			}
			holds(t, s, o, data)
		})
	}
	wg.Wait()
}

func testConcurrentReads(t *testing.T, s media.Store) {
	data := Bytes(4*Chunk + 1)
	o := put(t, s, object(), data)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { holds(t, s, o, data) })
	}
	wg.Wait()
}

func testDelete(t *testing.T, s media.Store) {
	gone := put(t, s, object(), Bytes(3*Chunk))
	data := Bytes(3 * Chunk)
	stays := put(t, s, object(), data)
	for range 2 {
		if err := s.Delete(t.Context(), gone.ID); err != nil {
			t.Fatal(err)
		}
		absent(t, s, gone.ID)
	}
	nothingLeft(t, s)
	holds(t, s, stays, data)
}

func testCancelled(t *testing.T, s media.Store) {
	data := Bytes(1)
	stays := put(t, s, object(), data)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Put":    func() error { _, err := s.Put(ctx, object(), bytes.NewReader(data)); return err },
		"Open":   func() error { _, _, err := s.Open(ctx, stays.ID); return err },
		"Delete": func() error { return s.Delete(ctx, stays.ID) },
		"List":   func() error { _, err := s.List(ctx, time.Now().Add(time.Hour), "", 1); return err },
		"Sweep":  func() error { _, err := s.Sweep(ctx, time.Now().Add(time.Hour), nil); return err },
		"Free":   func() error { _, err := s.Free(ctx); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", name, err, context.Canceled)
		}
	}
	holds(t, s, stays, data)
	nothingLeft(t, s)
}

func testFree(t *testing.T, s media.Store) {
	put(t, s, object(), Bytes(1))
	n, err := s.Free(t.Context())
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		t.Error(err)
	case n <= 0:
		t.Errorf("%d bytes are free, but there was room for an object", n)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func put(t *testing.T, s media.Store, o media.Object, data []byte) media.Object {
	t.Helper()
	o, err := s.Put(t.Context(), o, bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	return o
}

// holds checks that the store has the object with these bytes. It may be called from
// any goroutine.
func holds(t *testing.T, s media.Store, want media.Object, data []byte) {
	t.Helper()
	got, r, err := s.Open(t.Context(), want.ID)
	if err != nil {
		t.Errorf("Open: %v", err)
		return
	}
	defer r.Close()
	if got != want {
		t.Errorf("Open:\n got %+v\nwant %+v", got, want)
	}
	read, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("Read: %v", err)
	}
	if !bytes.Equal(read, data) {
		t.Errorf("read %d bytes, which differ from the %d stored", len(read), len(data))
	}
}

func absent(t *testing.T, s media.Store, key string) {
	t.Helper()
	if _, _, err := s.Open(t.Context(), key); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Open: %v, want %v", err, media.ErrNotFound)
	}
}

// nothingLeft checks that there are no incomplete objects of any age.
func nothingLeft(t *testing.T, s media.Store) {
	t.Helper()
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour), nil); n != 0 || err != nil {
		t.Errorf("Sweep removed %d incomplete objects, %v; want none", n, err)
	}
}
