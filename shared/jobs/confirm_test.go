package jobs

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestConfirm(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		results []error // of the calls; the last one repeats
		calls   int
	}{
		"confirmed":           {[]error{nil}, 1},
		"confirmed at last":   {[]error{away, away, nil}, 3},
		"never confirmed":     {[]error{away}, MaxWrites},
		"lease lost":          {[]error{away, ErrLeaseLost}, 2},
		"record rolled back":  {[]error{away, ErrNotFound, nil}, 3},
		"record stays absent": {[]error{ErrNotFound}, MaxWrites},
	} {
		calls := 0
		var want error
		err := Confirm(t.Context(), time.Minute, func(ctx context.Context) error {
			if _, limited := ctx.Deadline(); !limited {
				t.Errorf("%s: a call without a time limit", name)
			}
			want = c.results[min(calls, len(c.results)-1)]
			calls++
			return want
		})
		if calls != c.calls || err != want {
			t.Errorf("%s: %v after %d calls, want the last result after %d", name, err, calls, c.calls)
		}
	}
}
