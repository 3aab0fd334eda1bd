package mediatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/shared/media"
)

var appendTests = map[string]func(*testing.T, media.Store){
	"AppendParts":       testAppendParts,
	"AppendConflict":    testAppendConflict,
	"AppendReaderFails": testAppendReaderFails,
	"AppendDies":        testAppendDies,
	"AppendZombie":      testAppendZombie,
	"AppendTooMuch":     testAppendTooMuch,
	"AppendInvalid":     testAppendInvalid,
	"Truncate":          testTruncate,
	"Complete":          testComplete,
	"DeleteIncomplete":  testDeleteIncomplete,
	"SweepIncomplete":   testSweepIncomplete,
}

// incomplete returns an object of which nothing is stored yet.
func incomplete(data []byte) media.Object {
	o := object()
	o.Size = int64(len(data))
	return o
}

func testAppendParts(t *testing.T, s media.Store) {
	for _, parts := range [][]int{
		{0, 1},
		{1, 1, 1, 0, 1},
		{Chunk - 1, 1, 1},
		{Chunk, Chunk},
		{Chunk + 1, Chunk - 1, 1},
		{1, 3 * Chunk, 17, 3<<20 + 13},
	} {
		t.Run(fmt.Sprint(parts), func(t *testing.T) {
			size := 0
			for _, n := range parts {
				size += n
			}
			data := Bytes(size)
			o := incomplete(data)
			begun := time.Now().Truncate(time.Millisecond)
			var offset int64
			for _, n := range parts {
				absent(t, s, o.ID)
				written(t, s, o.ID, offset)
				appends(t, s, o, offset, data[offset:offset+int64(n)])
				offset += int64(n)
			}
			isComplete(t, s, o, data, begun)
		})
	}
	nothingLeft(t, s)
}

// isComplete checks that the object is complete, and that Complete can be repeated.
func isComplete(t *testing.T, s media.Store, o media.Object, data []byte, begun time.Time) {
	t.Helper()
	got, err := s.Complete(t.Context(), o)
	if err != nil {
		t.Fatalf("Complete: %v", err)
	}
	if got.CreatedAt.Before(begun) || got.CreatedAt.After(time.Now()) {
		t.Errorf("created at %v, want the time of completion", got.CreatedAt)
	}
	o.CreatedAt = got.CreatedAt
	holds(t, s, o, data)
	written(t, s, o.ID, o.Size)
	if list, err := s.List(t.Context(), time.Now().Add(time.Hour), "", 100); err != nil || !contains(list, o) {
		t.Errorf("List = %v, %v; want %v among them", list, err, o)
	}
	if n, err := s.Append(t.Context(), o, o.Size, bytes.NewReader([]byte("more"))); n != 0 {
		t.Errorf("Append to a complete object stores %d bytes, %v", n, err)
	}
	holds(t, s, o, data)
}

func contains(list []media.Object, o media.Object) bool {
	for _, each := range list {
		if each == o {
			return true
		}
	}
	return false
}

func testAppendConflict(t *testing.T, s media.Store) {
	data := Bytes(3*Chunk + 5)
	o := incomplete(data)
	const half = 2*Chunk + 2
	for _, offset := range []int64{1, Chunk} {
		if _, err := s.Append(t.Context(), o, offset, bytes.NewReader(data[offset:])); !errors.Is(err, media.ErrConflict) {
			t.Errorf("Append at %d of nothing: %v, want %v", offset, err, media.ErrConflict)
		}
	}
	appends(t, s, o, 0, data[:half])
	for _, offset := range []int64{0, 1, Chunk, half - 1, half + 1, 3 * Chunk} {
		n, err := s.Append(t.Context(), o, offset, bytes.NewReader(data[offset:]))
		if n != 0 || !errors.Is(err, media.ErrConflict) {
			t.Errorf("Append at %d of %d: %d, %v; want %v", offset, half, n, err, media.ErrConflict)
		}
	}
	written(t, s, o.ID, half)
	appends(t, s, o, half, data[half:])
	isComplete(t, s, o, data, time.Time{})
}

// What arrived before the reader failed is durable.
func testAppendReaderFails(t *testing.T, s media.Store) {
	broken := errors.New("the connection broke")
	data := Bytes(4 << 20)
	o := incomplete(data)
	var offset int64
	for _, n := range []int{0, 1, Chunk, 3<<20 + 1} {
		r := io.MultiReader(bytes.NewReader(data[offset:offset+int64(n)]), iotest.ErrReader(broken))
		stored, err := s.Append(t.Context(), o, offset, r)
		if stored != int64(n) || !errors.Is(err, broken) {
			t.Fatalf("Append of a reader failing after %d bytes: %d, %v; want %v", n, stored, err, broken)
		}
		offset += int64(n)
		written(t, s, o.ID, offset)
	}
	// All bytes have arrived, but whoever appends them has not accepted them.
	r := io.MultiReader(bytes.NewReader(data[offset:]), iotest.ErrReader(broken))
	if n, err := s.Append(t.Context(), o, offset, r); n != o.Size-offset || !errors.Is(err, broken) {
		t.Fatalf("Append of a reader failing at the end: %d, %v; want %v", n, err, broken)
	}
	absent(t, s, o.ID)
	written(t, s, o.ID, o.Size)
	isComplete(t, s, o, data, time.Time{})
}

// A process dies during an Append. What is stored is continued.
func testAppendDies(t *testing.T, s media.Store) {
	data := Bytes(6 << 20)
	o := incomplete(data)
	const first = Chunk + 7
	appends(t, s, o, 0, data[:first])
	killed := func() {
		type death struct{}
		defer func() {
			if got := recover(); got != (death{}) {
				t.Fatalf("Append returned %v without reading", got)
			}
		}()
		kill := readerFunc(func([]byte) (int, error) { panic(death{}) })
		_, err := s.Append(t.Context(), o, first, io.MultiReader(bytes.NewReader(data[first:5<<20]), kill))
		panic(err)
	}
	killed()
	n, err := s.Written(t.Context(), o.ID)
	if err != nil || n <= first || n > 5<<20 {
		t.Fatalf("Written = %d, %v; want some of what had arrived", n, err)
	}
	appends(t, s, o, n, data[n:])
	isComplete(t, s, o, data, time.Time{})
}

// An Append continues although others have written to the object meanwhile.
func testAppendZombie(t *testing.T, s media.Store) {
	data := Bytes(10*Chunk + 5)
	for _, c := range []struct{ zombie, other int64 }{{0, 1}, {1, 1}, {1, Chunk + 1}, {9 * Chunk, 1}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			o := incomplete(data)
			const begin = 10
			appends(t, s, o, 0, data[:begin])
			overtake := call(func() {
				n, err := s.Written(t.Context(), o.ID)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = s.Append(t.Context(), o, n, bytes.NewReader(data[n:min(n+c.other, o.Size)]))
			})
			_, _ = s.Append(t.Context(), o, begin, io.MultiReader(bytes.NewReader(data[begin:begin+c.zombie]), overtake, bytes.NewReader(data[begin+c.zombie:])))
			finish(t, s, o, data)
			if err := s.Delete(t.Context(), o.ID); err != nil {
				t.Error(err)
			}
		})
	}
	nothingLeft(t, s)
}

// finish appends what is missing.
func finish(t *testing.T, s media.Store, o media.Object, data []byte) {
	t.Helper()
	n, err := s.Written(t.Context(), o.ID)
	if err != nil || n > o.Size {
		t.Fatalf("Written = %d, %v", n, err)
	}
	if n < o.Size {
		appends(t, s, o, n, data[n:])
	}
	isComplete(t, s, o, data, time.Time{})
}

func testAppendTooMuch(t *testing.T, s media.Store) {
	data := Bytes(Chunk + 9)
	o := incomplete(data)
	appends(t, s, o, 0, data[:Chunk])
	n, err := s.Append(t.Context(), o, Chunk, bytes.NewReader(append(data[Chunk:], "and more"...)))
	if n != 9 || err != nil {
		t.Errorf("Append = %d, %v; want the 9 bytes that are missing", n, err)
	}
	isComplete(t, s, o, data, time.Time{})
}

func testAppendInvalid(t *testing.T, s media.Store) {
	o := object()
	o.ID, o.Size = "../escaped", 1
	if _, err := s.Append(t.Context(), o, 0, bytes.NewReader([]byte("x"))); err == nil {
		t.Error("Append to an invalid identifier succeeds")
	}
	if _, err := s.Complete(t.Context(), o); err == nil {
		t.Error("Complete of an invalid identifier succeeds")
	}
	written(t, s, o.ID, 0)
	o = incomplete(Bytes(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Append":   func() error { _, err := s.Append(ctx, o, 0, bytes.NewReader(Bytes(1))); return err },
		"Complete": func() error { _, err := s.Complete(ctx, o); return err },
		"Written":  func() error { _, err := s.Written(ctx, o.ID); return err },
		"Truncate": func() error { return s.Truncate(ctx, o.ID, 0) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", name, err, context.Canceled)
		}
	}
	nothingLeft(t, s)
}

func testTruncate(t *testing.T, s media.Store) {
	wrong, data := Bytes(3*Chunk+9), Bytes(3*Chunk+8)
	for _, size := range []int64{0, 1, Chunk, Chunk + 1, 3*Chunk + 1} {
		o := incomplete(data)
		appends(t, s, o, 0, append(bytes.Clone(data[:size]), wrong[size:3*Chunk+1]...))
		for range 2 {
			if err := s.Truncate(t.Context(), o.ID, size); err != nil {
				t.Fatalf("Truncate to %d: %v", size, err)
			}
			written(t, s, o.ID, size)
		}
		if err := s.Truncate(t.Context(), o.ID, size+Chunk); err != nil {
			t.Fatalf("Truncate of %d bytes to more: %v", size, err)
		}
		written(t, s, o.ID, size)
		appends(t, s, o, size, data[size:])
		isComplete(t, s, o, data, time.Time{})
		if err := s.Truncate(t.Context(), o.ID, 0); err == nil {
			t.Error("Truncate of a complete object succeeds")
		}
		isComplete(t, s, o, data, time.Time{})
	}
	o := object()
	if err := s.Truncate(t.Context(), o.ID, 0); err != nil {
		t.Errorf("Truncate of nothing: %v", err)
	}
	nothingLeft(t, s)
}

func testComplete(t *testing.T, s media.Store) {
	data := Bytes(Chunk + 9)
	o := incomplete(data)
	for _, n := range []int{0, 1, Chunk, Chunk + 8} {
		finishTo(t, s, o, data[:n])
		if _, err := s.Complete(t.Context(), o); !errors.Is(err, media.ErrConflict) {
			t.Errorf("Complete with %d of %d bytes: %v, want %v", n, o.Size, err, media.ErrConflict)
		}
		absent(t, s, o.ID)
		written(t, s, o.ID, int64(n))
	}
	finishTo(t, s, o, data)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := s.Complete(t.Context(), o); err != nil && !errors.Is(err, media.ErrConflict) {
				t.Errorf("concurrent Complete: %v", err)
			}
		})
	}
	wg.Wait()
	isComplete(t, s, o, data, time.Time{})
	o.Size--
	if _, err := s.Complete(t.Context(), o); !errors.Is(err, media.ErrConflict) {
		t.Errorf("Complete with another size: %v, want %v", err, media.ErrConflict)
	}
}

// finishTo appends up to the end of data without completing the object.
func finishTo(t *testing.T, s media.Store, o media.Object, data []byte) {
	t.Helper()
	n, err := s.Written(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	o.Size++ // so that it is not complete
	appends(t, s, o, n, data[n:])
}

func testDeleteIncomplete(t *testing.T, s media.Store) {
	data := Bytes(3*Chunk + 1)
	o := incomplete(data)
	appends(t, s, o, 0, data[:2*Chunk+1])
	for range 2 {
		if err := s.Delete(t.Context(), o.ID); err != nil {
			t.Fatal(err)
		}
		written(t, s, o.ID, 0)
	}
	nothingLeft(t, s)
	if _, err := s.Append(t.Context(), o, 2*Chunk+1, bytes.NewReader(data[2*Chunk+1:])); !errors.Is(err, media.ErrConflict) {
		t.Errorf("Append after Delete: %v, want %v", err, media.ErrConflict)
	}
	// It is deleted during an Append.
	deletes := call(func() {
		if err := s.Delete(t.Context(), o.ID); err != nil {
			t.Error(err)
		}
	})
	o = incomplete(Bytes(some + 1))
	_, err := s.Append(t.Context(), o, 0, io.MultiReader(bytes.NewReader(Bytes(some)), deletes, bytes.NewReader(Bytes(1))))
	if err == nil {
		t.Error("Append completes an object that was deleted meanwhile")
	}
	absent(t, s, o.ID)
}

func testSweepIncomplete(t *testing.T, s media.Store) {
	data := Bytes(Chunk + 1)
	kept, swept := incomplete(data), incomplete(data)
	for _, o := range []media.Object{kept, swept} {
		appends(t, s, o, 0, data[:Chunk])
	}
	future := time.Now().Add(time.Hour)
	if n, err := s.Sweep(t.Context(), future, func(id string) bool { return id == kept.ID }); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v; want 1", n, err)
	}
	written(t, s, kept.ID, Chunk)
	written(t, s, swept.ID, 0)
	if n, err := s.Append(t.Context(), swept, Chunk, bytes.NewReader(data[Chunk:])); err == nil {
		t.Errorf("Append to a swept object stores %d bytes", n)
	}
	absent(t, s, swept.ID)
	appends(t, s, kept, Chunk, data[Chunk:])
	isComplete(t, s, kept, data, time.Time{})
}

func appends(t *testing.T, s media.Store, o media.Object, offset int64, data []byte) {
	t.Helper()
	if n, err := s.Append(t.Context(), o, offset, bytes.NewReader(data)); n != int64(len(data)) || err != nil {
		t.Fatalf("Append at %d of %d bytes: %d, %v", offset, len(data), n, err)
	}
}

func written(t *testing.T, s media.Store, key string, want int64) {
	t.Helper()
	if n, err := s.Written(t.Context(), key); n != want || err != nil {
		t.Errorf("Written = %d, %v; want %d", n, err, want)
	}
}
