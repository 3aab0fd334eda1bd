package jobstest

import (
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
)

func testCount(t *testing.T, s jobs.Store) {
	const window = time.Hour
	count := func(what string, want jobs.Counts) {
		t.Helper()
		got, err := s.Count(t.Context(), now, now.Add(-window))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
		}
	}
	count("empty", jobs.Counts{Finished: map[string]int{}})

	// with stores a job of an owner of its own, after applying rules.
	n := 0
	with := func(rules ...func(*jobs.Job) error) {
		t.Helper()
		n++
		j := job(string(rune('a' + n)))
		for _, rule := range rules {
			if err := rule(&j); err != nil {
				t.Fatal(err)
			}
		}
		create(t, s, j)
	}
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	claim := func(at time.Time) func(*jobs.Job) error {
		return func(j *jobs.Job) error { return j.Claim(Policy, "w", at) }
	}
	postpone := func(at time.Time) func(*jobs.Job) error {
		return func(j *jobs.Job) error { return j.Postpone(Policy, "w", at) }
	}
	complete := func(at time.Time) func(*jobs.Job) error {
		return func(j *jobs.Job) error { return j.Complete(Policy, "w", jobs.File{ID: "mp3", Size: 1}, at) }
	}
	fail := func(f *conversion.Failure, at time.Time) func(*jobs.Job) error {
		return func(j *jobs.Job) error { return j.Fail(Policy, "w", f, at) }
	}
	cancel := func(j *jobs.Job) error { return j.Cancel(Policy, now) }

	oldest := jobs.Truncate(ago(3 * time.Hour))
	// Retried jobs have waited since then, whatever their identifiers are.
	retried := func(at time.Time) func(*jobs.Job) error {
		return func(j *jobs.Job) error { j.CreatedAt, j.RetriedAt = ago(50*time.Hour), jobs.Truncate(at); return nil }
	}
	with() // its upload began before that of the oldest, and ended after it
	with(retried(ago(time.Minute)))
	with(func(j *jobs.Job) error { j.CreatedAt = oldest; return nil })
	with(claim(ago(time.Minute)), postpone(now))
	with(claim(ago(time.Hour)), postpone(ago(30*time.Minute))) // the pause is over
	with(claim(now))
	with(claim(ago(2*window)), complete(ago(time.Minute)))
	with(claim(ago(time.Minute)), complete(now))
	with(claim(ago(2*window)), complete(ago(window+time.Second))) // too long ago
	with(claim(ago(time.Minute)), fail(conversion.NoAudio, now))
	with(claim(ago(time.Minute)), fail(conversion.AttemptsExhausted, now))
	with(claim(ago(time.Minute)), fail(conversion.AttemptsExhausted, ago(window-time.Second)))
	with(claim(ago(3*window)), fail(conversion.AttemptsExhausted, ago(2*window)))
	with(cancel)
	count("all states", jobs.Counts{
		Queued: 5, Paused: 1, OldestQueued: oldest, Converting: 1,
		Finished: map[string]int{"": 2, "no_audio": 1, "attempts_exhausted": 2},
	})
	with(retried(ago(4 * time.Hour)))
	count("a job retried long ago", jobs.Counts{
		Queued: 6, Paused: 1, OldestQueued: jobs.Truncate(ago(4 * time.Hour)), Converting: 1,
		Finished: map[string]int{"": 2, "no_audio": 1, "attempts_exhausted": 2},
	})
}
