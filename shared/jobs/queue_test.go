package jobs

import (
	"testing"
	"time"
)

func TestPosition(t *testing.T) {
	own := []string{"2", "4", "6", "8"}
	for name, c := range map[string]struct {
		queue Queue
		id    string
		want  int
	}{
		"alone, the first":                  {Queue{Waiting: own}, "2", 0},
		"alone, the last":                   {Queue{Waiting: own}, "8", 3},
		"not in the list yet":               {Queue{Waiting: own}, "5", 2},
		"the first, others come before":     {Queue{Waiting: own, Earlier: []int{1, 100}}, "2", 2},
		"the second, others come before":    {Queue{Waiting: own, Earlier: []int{1, 100}}, "4", 4},
		"the first, others come after":      {Queue{Waiting: own, Later: []int{1, 100}}, "2", 0},
		"the third, others come after":      {Queue{Waiting: own, Later: []int{1, 100}}, "6", 5},
		"the last, others before and after": {Queue{Waiting: own, Earlier: []int{2, 100}, Later: []int{1, 100}}, "8", 3 + 2 + 4 + 1 + 3},
	} {
		if got := c.queue.Position(c.id); got != c.want {
			t.Errorf("%s: position %d, want %d", name, got, c.want)
		}
	}
}

func TestExpectedStart(t *testing.T) {
	ago := func(seconds ...int) (all []time.Time) {
		for _, s := range seconds {
			all = append(all, now.Add(-time.Duration(s)*time.Second))
		}
		return all
	}
	var many []time.Time // one every three seconds
	for i := range MaxStarts {
		many = append(many, ago(3*(i+1))...)
	}
	for name, c := range map[string]struct {
		queue    Queue
		position int
		want     time.Duration // from now; 0: unknown
	}{
		"nothing waits":                  {Queue{}, 0, 0},
		"nothing has started":            {Queue{Since: now.Add(-time.Minute)}, 0, 0},
		"the clocks differ":              {Queue{Since: now.Add(time.Second), Starts: ago(0)}, 0, 0},
		"one start in a minute":          {Queue{Since: now.Add(-time.Minute), Starts: ago(10)}, 0, time.Minute},
		"two starts, the third":          {Queue{Since: now.Add(-time.Minute), Starts: ago(10, 20)}, 2, 90 * time.Second},
		"ten at once, half a minute ago": {Queue{Since: now.Add(-30 * time.Second), Starts: ago(29, 29, 29, 29, 29, 29, 29, 29, 29, 29)}, 9, 30 * time.Second},
		"the latest ones count":          {Queue{Since: now.Add(-time.Hour), Starts: many}, 0, 60 * time.Second / 19},
	} {
		var want time.Time
		if c.want > 0 {
			want = now.Add(c.want).Truncate(time.Second)
		}
		if got := c.queue.ExpectedStart(c.position, now); !got.Equal(want) {
			t.Errorf("%s: expected at %v, want %v", name, got, want)
		}
	}
}
