package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/test/faults/report"
)

// settleTimeout is how long after a fault all jobs must have an outcome. The machine
// may be slow; the table says how long it took.
const settleTimeout = 8 * time.Minute

// leftoverTimeout is how long the janitor may take to remove what is old enough.
const leftoverTimeout = 2 * time.Minute

// Ledger is what the service has promised during one fault. Its row says what came of
// it. It is safe for concurrent use.
type Ledger struct {
	service *Service

	mu        sync.Mutex
	row       report.Row
	jobs      map[string]Kind
	from      time.Time
	disturbed []interval // when a process may have died, or a store was away
	healed    time.Time
	problems  []string
	repeated  int // notifications that could not be recorded and were sent again
}

type interval struct{ from, to time.Time }

// NewLedger returns an empty ledger.
func (s *Service) NewLedger(fault string) *Ledger {
	return &Ledger{service: s, row: report.Row{Fault: fault, Runs: 1}, jobs: map[string]Kind{}, from: time.Now()}
}

// Accept notes a job that was answered 202, or that is no longer of the kind it was.
func (l *Ledger) Accept(id string, kind Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs[id] = kind
}

// Disturb calls f, during which processes may die and stores may be away. A
// notification that was sent then may be repeated, because it could not be recorded.
func (l *Ledger) Disturb(f func()) {
	from := time.Now()
	f()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.healed = time.Now()
	l.disturbed = append(l.disturbed, interval{from, l.healed.Add(time.Second)})
}

func (l *Ledger) problem(count *int, format string, args ...any) {
	*count++
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// Settle waits until every accepted job has its outcome and its notification, and
// checks them.
func (l *Ledger) Settle(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.row.Accepted = len(l.jobs)
	deadline := time.Now().Add(settleTimeout)
	for id, kind := range l.jobs {
		j, err := l.await(ctx, id, kind, deadline)
		if kind == Deleted && errors.Is(err, jobs.ErrNotFound) {
			continue
		}
		switch {
		case kind == Deleted:
			l.problem(&l.row.LeftOver, "job %s is deleted, but %s: %v", id, j.State, err)
		case err != nil:
			l.problem(&l.row.Lost, "job %s: %v (%+v)", id, err, j)
		default:
			l.check(ctx, j, kind)
		}
		if !l.healed.IsZero() && j.CreatedAt.Before(l.healed) {
			l.row.LongestRecovery = max(l.row.LongestRecovery, j.FinishedAt.Sub(l.healed))
		}
	}
	for id := range l.jobs {
		l.checkNotified(id)
	}
}

// await waits until a job is final and its user has been notified, or until it is
// deleted.
func (l *Ledger) await(ctx context.Context, id string, kind Kind, deadline time.Time) (jobs.Job, error) {
	for {
		j, err := l.service.Jobs.Get(ctx, id)
		ended := err == nil && j.State.Final() && !j.Notification.EndedAt.IsZero()
		switch {
		case errors.Is(err, jobs.ErrNotFound), ended && kind != Deleted:
			return j, err
		case time.Now().After(deadline), ctx.Err() != nil:
			return j, errors.Join(errors.New("no outcome"), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// check checks the outcome of a job.
func (l *Ledger) check(ctx context.Context, j jobs.Job, kind Kind) {
	failure := ""
	if j.Failure != nil {
		failure = j.Failure.Code
	}
	switch {
	case j.State == jobs.Done && kind != Silent:
		if err := l.checkMP3(ctx, j); err != nil {
			l.problem(&l.row.Lost, "job %s: its MP3: %v", j.ID, err)
		}
	case j.State == jobs.Cancelled && kind == Cancelled:
	case j.State == jobs.Failed && kind == Silent && failure == conversion.NoAudio.Code:
	case j.State == jobs.Failed && kind == Exhausted && failure == conversion.AttemptsExhausted.Code:
	default:
		l.problem(&l.row.FailedWrongly, "job %s of kind %d is %s %s (%+v)", j.ID, kind, j.State, failure, j)
	}
}

func (l *Ledger) checkMP3(ctx context.Context, j jobs.Job) error {
	_, r, err := l.service.Audio.Open(ctx, j.Audio.ID)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := mp3.Inspect(r)
	if err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return err
	}
	// The header claims a length even if the file was cut off.
	seconds := info.Duration().Seconds()
	if seconds < VideoSeconds-0.2 || seconds > VideoSeconds+0.2 || n != j.Audio.Size || n < info.Offset+info.Bytes {
		return fmt.Errorf("%d bytes of %d, %.2f s", n, info.Offset+info.Bytes, seconds)
	}
	return nil
}

// checkNotified checks that the job's notification was sent once.
func (l *Ledger) checkNotified(id string) {
	calls := l.service.hook.of(id)
	kind := l.jobs[id]
	if len(calls) == 0 && kind != Cancelled && kind != Deleted {
		l.problem(&l.row.Lost, "job %s: nobody was notified", id)
	}
	for i := 1; i < len(calls); i++ {
		if l.excused(calls[i-1]) {
			l.repeated++
		} else {
			l.problem(&l.row.Renotified, "job %s: notified at %v", id, calls)
			return
		}
	}
}

// excused reports whether a notification sent at t could not be recorded.
func (l *Ledger) excused(t time.Time) bool {
	for _, d := range l.disturbed {
		if t.After(d.from) && t.Before(d.to) {
			return true
		}
	}
	return false
}

// Finish waits until files without a job are old enough for the janitor, lets it run,
// counts what is left over in the ledgers' rows, and saves the rows. It fails the test
// if a number that must be zero is not.
func (s *Service) Finish(t testing.TB, ledgers ...*Ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), orphanAge+5*time.Minute)
	defer cancel()
	select {
	case <-time.After(orphanAge + 2*time.Second): // identifiers are precise to a second
	case <-ctx.Done():
	}
	if err := s.removeOrphans(ctx); err != nil {
		t.Fatal(err)
	}
	var left []leftover
	for deadline := time.Now().Add(leftoverTimeout); time.Now().Before(deadline); time.Sleep(time.Second) {
		var err error
		if left, err = s.leftovers(ctx); err != nil {
			t.Fatal(err)
		} else if len(left) == 0 {
			break
		}
	}
	parts, err := s.incomplete(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range append(left, parts...) {
		l := ledgers[0]
		for _, other := range ledgers {
			if !other.from.After(o.created) {
				l = other
			}
		}
		l.mu.Lock()
		count := &l.row.LeftOver
		if o.doubled {
			count = &l.row.Doubled
		}
		l.problem(count, "left over: %s", o.what)
		l.mu.Unlock()
	}
	for _, l := range ledgers {
		l.Save(t)
	}
}

// Save saves the row, and fails the test if it is broken.
func (l *Ledger) Save(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("%+v, and %d notifications repeated because they could not be recorded", l.row, l.repeated)
	report.Save(t, l.row)
	if l.row.Broken() || len(l.problems) > 0 {
		t.Errorf("%s: the promise is broken: %+v", l.row.Fault, l.row)
		for _, p := range l.problems[:min(len(l.problems), 20)] {
			t.Error(p)
		}
	}
}

// Row returns a copy of the ledger's row.
func (l *Ledger) Row() report.Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.row
}

// SetRuns sets how often the fault was injected.
func (l *Ledger) SetRuns(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.row.Runs = n
}
