package jobstest

import (
	"slices"
	"testing"
	"time"

	"mp3converter/shared/jobs"
)

func testListFiltered(t *testing.T, s jobs.Store) {
	at := func(n int) time.Time { return now.Add(time.Duration(n) * time.Millisecond) }
	var all []jobs.Job // the oldest first
	add := func(owner, tag string, change func(j *jobs.Job) error) {
		t.Helper()
		j := job(owner)
		j.Tag, j.CreatedAt = tag, at(len(all))
		if err := change(&j); err != nil {
			t.Fatal(err)
		}
		create(t, s, j)
		all = append(all, j)
	}
	queued := func(*jobs.Job) error { return nil }
	claimed := func(j *jobs.Job) error { return j.Claim(Policy, "w", now) }
	cancelled := func(j *jobs.Job) error { return j.Cancel(Policy, now) }
	uploading := func(j *jobs.Job) error { j.BeginUpload(Policy, "w", now); return nil }
	for _, tag := range []string{"", "album 1", "Album 1"} {
		add("ann", tag, queued)
		add("ann", tag, claimed)
		add("ann", tag, cancelled)
		add("ann", tag, uploading)
		add("bob", tag, queued)
	}
	all[14].CreatedAt = now // of another owner
	queuedOrCancelled := []jobs.State{jobs.Queued, jobs.Cancelled}
	for name, c := range map[string]struct {
		filter jobs.Filter
		limit  int
		want   []int
	}{
		"all":                  {jobs.Filter{}, 100, []int{12, 11, 10, 7, 6, 5, 2, 1, 0}},
		"a state":              {jobs.Filter{States: []jobs.State{jobs.Converting}}, 100, []int{11, 6, 1}},
		"two states":           {jobs.Filter{States: queuedOrCancelled}, 100, []int{12, 10, 7, 5, 2, 0}},
		"two states, a page":   {jobs.Filter{States: queuedOrCancelled, Before: all[12].ID}, 2, []int{10, 7}},
		"a state without jobs": {jobs.Filter{States: []jobs.State{jobs.Done}}, 100, nil},
		"a tag":                {jobs.Filter{Tag: "album 1"}, 100, []int{7, 6, 5}},
		"a tag, a page":        {jobs.Filter{Tag: "album 1", Before: all[7].ID}, 1, []int{6}},
		"part of a tag":        {jobs.Filter{Tag: "album"}, 100, nil},
		"a tag and a state":    {jobs.Filter{Tag: "Album 1", States: []jobs.State{jobs.Queued}}, 100, []int{10}},
		"since":                {jobs.Filter{Since: at(10)}, 100, []int{12, 11, 10}},
		"since, in between":    {jobs.Filter{Since: at(6).Add(time.Nanosecond)}, 100, []int{12, 11, 10, 7}},
		"since the future":     {jobs.Filter{Since: at(1000)}, 100, nil},
		"everything":           {jobs.Filter{Tag: "Album 1", States: queuedOrCancelled, Since: at(11), Text: "HOLI", Before: all[14].ID}, 100, []int{12}},
		"none wanted":          {jobs.Filter{Tag: "album 1"}, 0, nil},
	} {
		got, err := s.List(t.Context(), "ann", c.filter, c.limit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var want []jobs.Job
		for _, i := range c.want {
			want = append(want, all[i])
		}
		sameList(t, name, got, want)
	}
}

// Text is found whatever its case, and has no special characters.
func testListText(t *testing.T, s jobs.Store) {
	names := []string{"Holiday.mp4", "holiday 2.mp4", "ÜBUNG 1.mov", "übung 2.mov", "100%_a.b*c.mp4", `back\slash [x] "q" 'q'.mp4`, "ΣΊΣΥΦΟΣ.mp4", "世界.mp4"}
	for _, name := range names {
		j := job("ann")
		j.Name = name
		create(t, s, j)
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"holiday", []string{names[1], names[0]}},
		{"HOLIDAY 2", []string{names[1]}},
		{"Übung", []string{names[3], names[2]}},
		{"σίσυφος", []string{names[6]}},
		{"世", []string{names[7]}},
		{"%_", []string{names[4]}},
		{"a.b*c", []string{names[4]}},
		{"axb", nil},
		{`\s`, []string{names[5]}},
		{`[X]`, []string{names[5]}},
		{`"q" 'Q'`, []string{names[5]}},
		{".*", nil},
		{"nowhere", nil},
	} {
		for _, limit := range []int{1, 100} {
			found, err := s.List(t.Context(), "ann", jobs.Filter{Text: c.text}, limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, j := range found {
				got = append(got, j.Name)
			}
			if want := c.want[:min(limit, len(c.want))]; !slices.Equal(got, want) {
				t.Errorf("names with %q, at most %d: %q, want %q", c.text, limit, got, want)
			}
		}
	}
}
