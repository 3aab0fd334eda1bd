package mediatest

import (
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
	slices.Reverse(want) // in order of identifier
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
		name  string
		after string
		limit int
		want  []media.Object
	}{
		{"all", "", 100, want},
		{"the first", "", 1, want[:1]},
		{"none wanted", "", 0, nil},
		{"after the third", want[2].ID, 100, want[3:]},
		{"after one that is not there", idAt(now.Add(-150 * time.Minute)), 2, want[6:8]},
		{"after the last", want[8].ID, 100, nil},
	} {
		got, err := s.List(t.Context(), now.Add(time.Hour), c.after, c.limit)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v, %v\nwant %v", c.name, ids(got), err, ids(c.want))
		}
	}
	for _, limit := range []int{2, 3, 9} {
		pagesAre(t, s, now.Add(time.Hour), limit, want)
	}

	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// An object's age is the time since it was completed, whenever its identifier was made.
func testListByAge(t *testing.T, s media.Store) {
	begun := time.Now()
	var all []media.Object
	for _, age := range []time.Duration{2 * time.Hour, 30 * time.Hour, time.Hour, 20 * time.Hour} {
		o := object()
		o.ID = idAt(begun.Add(-age))
		o = put(t, s, o, Bytes(1))
		all = append(all, o)
		for !time.Now().Truncate(time.Millisecond).After(o.CreatedAt) {
			// until the next object gets a later CreatedAt
		}
	}
	for _, c := range []struct {
		before time.Time
		want   []media.Object
	}{
		{begun.Add(-time.Minute), nil},
		{all[2].CreatedAt, []media.Object{all[1], all[0]}},
		{all[3].CreatedAt, []media.Object{all[1], all[0], all[2]}},
		{begun.Add(time.Hour), []media.Object{all[1], all[3], all[0], all[2]}},
	} {
		for _, limit := range []int{1, 2, 100} {
			pagesAre(t, s, c.before, limit, c.want)
		}
	}
}

// pagesAre checks that the pages that List returns for a limit hold these objects.
func pagesAre(t *testing.T, s media.Store, before time.Time, limit int, want []media.Object) {
	t.Helper()
	var got []media.Object
	after := ""
	for range len(want) + 1 {
		page, err := s.List(t.Context(), before, after, limit)
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
		t.Errorf("completed before %v, in pages of %d:\n got %v\nwant %v", before, limit, ids(got), ids(want))
	}
}

func ids(all []media.Object) (ids []string) {
	for _, o := range all {
		ids = append(ids, o.ID)
	}
	return ids
}
