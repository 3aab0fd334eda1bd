package jobs

import (
	"errors"
	"slices"
	"time"
)

// MailWindow is the time within which the mails to one address are counted.
const MailWindow = 24 * time.Hour

// ErrMailLimit means that an address has been sent as many mails within MailWindow as it
// may.
var ErrMailLimit = errors.New("jobs: limit of mails to the address reached")

// CountedMails are the mails to one address within MailWindow, the oldest first. They are
// kept apart from the jobs, which their owner may delete.
type CountedMails []CountedMail

// CountedMail is the mail about one job.
type CountedMail struct {
	Job string    `bson:"job" json:"job"`
	At  time.Time `bson:"at" json:"at"`
}

// Add returns the mails within MailWindow, including that of a job. A job is counted once,
// however often its mail is attempted. With the error ErrMailLimit it is not counted.
func (c CountedMails) Add(job string, limit int, now time.Time) (CountedMails, error) {
	now = Truncate(now)
	recent := CountedMails{}
	for _, m := range c {
		if m.Job == job || now.Sub(m.At) < MailWindow {
			recent = append(recent, m)
		}
	}
	switch {
	case slices.ContainsFunc(recent, func(m CountedMail) bool { return m.Job == job }):
		return recent, nil
	case len(recent) >= limit:
		return recent, ErrMailLimit
	}
	return append(recent, CountedMail{Job: job, At: now}), nil
}

// Last returns when the latest mail was counted. There must be one.
func (c CountedMails) Last() time.Time { return c[len(c)-1].At }
