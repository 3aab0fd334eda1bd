package mediatest

import (
	"bytes"
	"io"
	"testing"
	"time"

	"mp3converter/shared/media"
)

const (
	day = 24 * time.Hour
	// some is so many bytes that a store has written a part of them when a Put has
	// read them.
	some = 5 << 20
)

// Sweep goes by when the remains were last written to, not by when their identifier
// was made.
func testSweep(t *testing.T, s media.Store) {
	data := Bytes(2 * Chunk)
	whole := object()
	whole.ID = idAt(time.Now().Add(-2 * day))
	whole = put(t, s, whole, data)

	die(t, s, object())
	mark := nextSecond()
	active := object()
	active.ID = idAt(time.Now().Add(-3 * day))
	die(t, s, active)

	sweeps(t, s, mark.Add(-day), 0)
	sweeps(t, s, mark, 1)
	sweeps(t, s, mark, 0)
	absent(t, s, active.ID)
	sweeps(t, s, time.Now().Add(time.Hour), 1)
	nothingLeft(t, s)
	holds(t, s, whole, data)
}

// Sweep spares a Put that is slow but active.
func testSweepSparesPut(t *testing.T, s media.Store) {
	mark := nextSecond()
	o, data := object(), Bytes(some)
	o.ID = idAt(mark.Add(-2 * day))
	o, err := s.Put(t.Context(), o, io.MultiReader(bytes.NewReader(data), call(func() { sweeps(t, s, mark, 0) })))
	if err != nil {
		t.Fatalf("Put during a sweep: %v", err)
	}
	holds(t, s, o, data)
}

// A Put that has lost what it had stored does not return an object with a gap.
func testSweptPut(t *testing.T, s media.Store) {
	for name, rest := range map[string]int{"at its end": 0, "in the middle": some} {
		o := object()
		swept := call(func() { sweeps(t, s, time.Now().Add(time.Hour), 1) })
		_, err := s.Put(t.Context(), o, io.MultiReader(bytes.NewReader(Bytes(some)), swept, bytes.NewReader(Bytes(rest))))
		if err == nil {
			t.Errorf("Put swept %s succeeds", name)
		}
		absent(t, s, o.ID)
		nothingLeft(t, s)
	}
}

func sweeps(t *testing.T, s media.Store, before time.Time, want int) {
	t.Helper()
	if n, err := s.Sweep(t.Context(), before, nil); n != want || err != nil {
		t.Errorf("Sweep removed %d incomplete objects, %v; want %d", n, err, want)
	}
}

// nextSecond waits until a new second has begun and returns its start. A store may
// record activity to the second, and a file system by a clock that is a few
// milliseconds late.
func nextSecond() time.Time {
	next := time.Now().Truncate(time.Second).Add(time.Second)
	time.Sleep(time.Until(next.Add(50 * time.Millisecond)))
	return next
}

// call is an empty reader that calls f.
func call(f func()) io.Reader {
	return readerFunc(func([]byte) (int, error) { f(); return 0, io.EOF })
}

// die leaves an incomplete object behind, like a killed process.
func die(t *testing.T, s media.Store, o media.Object) {
	t.Helper()
	type death struct{}
	defer func() {
		if got := recover(); got != (death{}) {
			t.Fatalf("Put returned %v without reading", got)
		}
	}()
	killed := readerFunc(func([]byte) (int, error) { panic(death{}) })
	_, err := s.Put(t.Context(), o, io.MultiReader(bytes.NewReader(Bytes(9<<20)), killed))
	panic(err)
}
