package jobstest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
)

func testCountMail(t *testing.T, s jobs.Store) {
	const limit = 3
	ids := map[string]string{}
	for _, step := range []struct {
		what    string
		address string
		job     string
		after   time.Duration
		want    int
		err     error
	}{
		{"the first", "ann@example.com", "a1", 0, 1, nil},
		{"the second", "ann@example.com", "a2", time.Hour, 2, nil},
		{"the first again", "ann@example.com", "a1", 2 * time.Hour, 2, nil},
		{"another address", "bob@example.com", "b1", 2 * time.Hour, 1, nil},
		{"the last", "ann@example.com", "a3", 3 * time.Hour, 3, nil},
		{"one too many", "ann@example.com", "a4", 4 * time.Hour, 0, jobs.ErrMailLimit},
		{"the last again", "ann@example.com", "a3", 4 * time.Hour, 3, nil},
		{"just within a day", "ann@example.com", "a4", jobs.MailWindow - time.Millisecond, 0, jobs.ErrMailLimit},
		{"the first is a day old", "ann@example.com", "a4", jobs.MailWindow, 3, nil},
		{"and full again", "ann@example.com", "a5", jobs.MailWindow, 0, jobs.ErrMailLimit},
		{"the second is a day old", "ann@example.com", "a5", jobs.MailWindow + time.Hour, 3, nil},
		{"two days later", "ann@example.com", "a6", 3*jobs.MailWindow + time.Hour, 1, nil},
		{"a week later, to another address", "bob@example.com", "b2", 7 * jobs.MailWindow, 1, nil},
	} {
		if ids[step.job] == "" {
			ids[step.job] = id.New()
		}
		got, err := s.CountMail(t.Context(), step.address, ids[step.job], limit, now.Add(step.after))
		if got != step.want || !errors.Is(err, step.err) {
			t.Errorf("%s: %d, %v; want %d, %v", step.what, got, err, step.want, step.err)
		}
	}
}

// However many notifiers count at the same time, exactly as many mails are sent as may be.
func testMailLimit(t *testing.T, stores [2]jobs.Store) {
	const limit = writers / 2
	address := fmt.Sprintf("%s@example.com", id.New())
	wins := race(t, jobs.ErrMailLimit, func(w int) error {
		_, err := stores[w%2].CountMail(t.Context(), address, id.New(), limit, now)
		return err
	})
	if wins != limit {
		t.Errorf("%d mails may be sent, want %d", wins, limit)
	}
}

// A mail that is attempted by many notifiers counts once.
func testOneMail(t *testing.T, stores [2]jobs.Store) {
	address, job := fmt.Sprintf("%s@example.com", id.New()), id.New()
	race(t, nil, func(w int) error {
		n, err := stores[w%2].CountMail(t.Context(), address, job, 2, now)
		if n > 1 {
			t.Errorf("the mail was counted %d times", n)
		}
		return err
	})
}
