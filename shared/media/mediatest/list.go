package mediatest

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

// idAt returns a new identifier as if made at the given time.
func idAt(at time.Time) string { return id.Before(at)[:8] + id.New()[8:] }

func testList(t *testing.T, s media.Store) {
	now := time.Now()
	var want []media.Object
	for i := range 9 {
		o := object()
		o.ID = idAt(now.Add(-time.Duration(i) * time.Hour))
		want = append(want, put(t, s, o, Bytes(i)))
	}
	slices.Reverse(want) // the oldest first
	// An incomplete upload is not an object.
	r, w := io.Pipe()
	done := make(chan error, 1)
	unfinished := object()
	unfinished.ID = idAt(now.Add(-90 * time.Minute))
	go func() {
		_, err := s.Put(t.Context(), unfinished, r)
		done <- err
	}()
	w.Write(Bytes(Chunk + 1))

	for _, c := range []struct {
		name   string
		before time.Time
		after  string
		limit  int
		want   []media.Object
	}{
		{"all", now.Add(time.Hour), "", 100, want},
		{"the first", now.Add(time.Hour), "", 1, want[:1]},
		{"none wanted", now.Add(time.Hour), "", 0, nil},
		{"begun four hours ago", now.Add(-210 * time.Minute), "", 100, want[:5]},
		{"begun before all", now.Add(-24 * time.Hour), "", 100, nil},
		{"after the third", now.Add(time.Hour), want[2].ID, 100, want[3:]},
		{"after the third, before the sixth", now.Add(-210 * time.Minute), want[2].ID, 100, want[3:5]},
		{"after one that is not there", now.Add(time.Hour), idAt(now.Add(-150 * time.Minute)), 2, want[6:8]},
		{"after the last", now.Add(time.Hour), want[8].ID, 100, nil},
	} {
		got, err := s.List(t.Context(), c.before, c.after, c.limit)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v, %v\nwant %v", c.name, ids(got), err, ids(c.want))
		}
	}
	for _, limit := range []int{2, 3, 9} {
		var got []media.Object
		after := ""
		for range len(want) + 1 {
			page, err := s.List(t.Context(), now.Add(time.Hour), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1].ID
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d:\n got %v\nwant %v", limit, ids(got), ids(want))
		}
	}

	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func testSweep(t *testing.T, s media.Store) {
	const day = 24 * time.Hour
	now := time.Now()
	data := Bytes(2 * Chunk)
	whole, young := object(), object()
	whole.ID = idAt(now.Add(-48 * time.Hour))
	whole = put(t, s, whole, data)
	for _, age := range []time.Duration{2 * day, 3 * day, time.Hour} {
		o := object()
		o.ID = idAt(now.Add(-age))
		die(t, s, o)
		if age < day {
			young = o
		}
	}
	sweep := func(before time.Time, want int) {
		t.Helper()
		if n, err := s.Sweep(t.Context(), before); n != want || err != nil {
			t.Errorf("Sweep removed %d incomplete objects, %v; want %d", n, err, want)
		}
	}
	sweep(now.Add(-4*day), 0)
	sweep(now.Add(-day), 2)
	sweep(now.Add(-day), 0)
	absent(t, s, young.ID)
	sweep(now.Add(time.Hour), 1)
	sweep(now.Add(time.Hour), 0)
	holds(t, s, whole, data)
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

func ids(all []media.Object) (ids []string) {
	for _, o := range all {
		ids = append(ids, o.ID)
	}
	return ids
}
