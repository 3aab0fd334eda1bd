package jobs

import (
	"errors"
	"mp3converter/shared/conversion"
	"time"
)

var (
	// ErrFinished says that the job is in a final state, which stays.
	ErrFinished = errors.New("jobs: already finished")
	// ErrLeased says that another converter is at work on the job.
	ErrLeased = errors.New("jobs: leased to another worker")
	// ErrLeaseLost says that the job no longer belongs to the caller:
	// cancelled, finished, deleted or claimed by another.
	ErrLeaseLost = errors.New("jobs: lease lost")
	// ErrExhausted says that the job has used up its attempts.
	ErrExhausted = errors.New("jobs: attempts exhausted")
	// ErrNotDue says that something has happened to the job meanwhile.
	ErrNotDue = errors.New("jobs: not due")
	// ErrNotFinished says that the job has no outcome to tell yet.
	ErrNotFinished = errors.New("jobs: not finished")
	// ErrNotificationEnded says that the user has been told, or never will be.
	ErrNotificationEnded = errors.New("jobs: notice settled")
)

// NothingToDo reports whether err says that a job needs nothing from the caller:
// it is finished, or another process handles it.
func NothingToDo(err error) bool {
	for _, target := range []error{ErrFinished, ErrLeased, ErrLeaseLost, ErrNotFound, ErrNotDue, ErrNotFinished, ErrNotificationEnded} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Policy is the set of numbers that the rules need.
type Policy struct {
	MaxAttempts int           `envconfig:"MAX_ATTEMPTS" default:"5"` // conversions begun before a job fails
	Lease       time.Duration `envconfig:"LEASE" default:"60s"`      // silence after which a worker counts as dead
	Wake        time.Duration `envconfig:"WAKE_AFTER" default:"60s"` // wait before the first repeated wake-up; doubles each time
	WakeMax     time.Duration `envconfig:"WAKE_MAX" default:"1h"`    // longest wait between wake-ups
	Retention   time.Duration `envconfig:"RETENTION" default:"168h"` // how long the outcome is kept
}

// Validate names the variable that makes no sense.
func (p Policy) Validate() error {
	switch {
	case p.MaxAttempts < 1:
		return errors.New("MAX_ATTEMPTS must be at least 1")
	case p.Lease < time.Second:
		return errors.New("LEASE must be at least 1s")
	case p.Wake < time.Second:
		return errors.New("WAKE_AFTER must be at least 1s")
	case p.WakeMax < p.Wake:
		return errors.New("WAKE_MAX must not be less than WAKE_AFTER")
	case p.Retention < time.Minute:
		return errors.New("RETENTION must be at least 1m")
	}
	return nil
}

// Truncate returns t as job records keep time.
func Truncate(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Enqueue makes a fresh record ready for its first wake-up.
func (j *Job) Enqueue(p Policy, now time.Time) {
	now = Truncate(now)
	j.State = Queued
	j.CreatedAt = now
	j.DueAt = now.Add(p.Wake)
}

// Claim gives the job to a worker: ErrFinished, ErrLeased and ErrExhausted say
// why it cannot have it.
func (j *Job) Claim(p Policy, holder string, now time.Time) error {
	now = Truncate(now)
	switch {
	case j.State.Final():
		return ErrFinished
	case j.State == Converting && now.Before(j.Lease.Until):
		return ErrLeased
	case j.Attempts >= p.MaxAttempts:
		return ErrExhausted
	}
	j.State = Converting
	j.Attempts++
	j.Progress = 0
	j.Wakes = 0
	j.StartedAt = now
	j.extendLease(p, holder, now)
	return nil
}

// Renew is the sign of life of the worker that holds the job.
func (j *Job) Renew(p Policy, holder string, progress int, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.Progress = max(j.Progress, min(progress, 100))
	j.extendLease(p, holder, Truncate(now))
	return nil
}

// Complete records the MP3. Only the holder of the lease can, so of two workers
// that raced, one's MP3 is in the record and the other's is to be deleted.
func (j *Job) Complete(p Policy, holder string, audio File, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.Audio = audio
	j.Progress = 100
	j.finish(p, Done, now)
	return nil
}

// Fail records that this video can never be converted.
func (j *Job) Fail(p Policy, holder string, why *conversion.Failure, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.Failure = why
	j.finish(p, Failed, now)
	return nil
}

// FailExhausted fails a job that has used up its attempts and that nobody holds.
func (j *Job) FailExhausted(p Policy, now time.Time) error {
	switch {
	case j.State.Final():
		return ErrFinished
	case j.State == Converting && Truncate(now).Before(j.Lease.Until):
		return ErrLeased
	case j.Attempts < p.MaxAttempts:
		return ErrNotDue // its last worker has given it back unharmed meanwhile
	}
	j.Failure = conversion.AttemptsExhausted
	j.finish(p, Failed, now)
	return nil
}

// Release gives the job back unharmed: the worker has to stop, or something
// that is not the video's fault is in the way. The attempt does not count.
func (j *Job) Release(p Policy, holder string, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.State = Queued
	j.Attempts--
	j.Progress = 0
	j.Lease = Lease{}
	j.DueAt = Truncate(now).Add(p.Wake)
	return nil
}

// Retry gives the job back after an error that may pass. The attempt counts, so
// that a job whose errors never pass comes to an end.
func (j *Job) Retry(p Policy, holder string, now time.Time) error {
	tried := j.Attempts
	if err := j.Release(p, holder, now); err != nil {
		return err
	}
	j.Attempts = tried
	j.DueAt = Truncate(now).Add(backoff(p, tried-1))
	return nil
}

// Cancel ends the job at its owner's wish. There is nobody to tell.
func (j *Job) Cancel(p Policy, now time.Time) error {
	if j.State.Final() {
		return ErrFinished
	}
	j.finish(p, Cancelled, now)
	j.endNotification("off", now)
	return nil
}

// WakeSent records that a wake-up call has been repeated and sets the time of the
// next one.
func (j *Job) WakeSent(p Policy, now time.Time) error {
	if j.DueAt.After(now) {
		return ErrNotDue
	}
	j.DueAt = Truncate(now).Add(backoff(p, j.Wakes+1))
	j.Wakes++
	return nil
}

// ClaimNotification gives the telling of the outcome to one notifier, for as long as
// a lease. ErrLeased says that another is at it, or that the last try failed
// and the pause after it is not over.
func (j *Job) ClaimNotification(p Policy, holder string, now time.Time) error {
	now = Truncate(now)
	switch {
	case !j.State.Final():
		return ErrNotFinished
	case !j.Notification.EndedAt.IsZero():
		return ErrNotificationEnded
	case now.Before(j.Notification.Lease.Until):
		return ErrLeased
	}
	j.Notification.Attempts++
	j.Notification.Lease = Lease{Holder: holder, Until: now.Add(p.Lease)}
	j.DueAt = now.Add(max(p.Lease, backoff(p, j.Notification.Attempts)))
	return nil
}

// RecordNotification records which channels the user has been told through by now and
// how the telling ended: sent, off or gave_up. An empty outcome leaves the rest
// to be tried again when the job is due, and not before: a source that repeats
// its deliveries at once would use up all attempts while a mail server restarts.
func (j *Job) RecordNotification(p Policy, holder string, told []string, outcome string, now time.Time) error {
	if j.Notification.Lease.Holder != holder || !j.Notification.EndedAt.IsZero() {
		return ErrLeaseLost
	}
	j.Notification.Lease = Lease{Until: j.DueAt}
	j.Notification.Notified = told
	if outcome != "" {
		j.Notification.Lease = Lease{}
		j.endNotification(outcome, now)
	}
	return nil
}

// ReleaseDead gives back the job of a worker that is known to be dead before its
// lease has run out. That it died says nothing of the video, so the attempt
// does not count.
func (j *Job) ReleaseDead(p Policy, now time.Time) error {
	return j.Release(p, j.Lease.Holder, now)
}

func (j *Job) leasedTo(holder string) bool {
	return j.State == Converting && j.Lease.Holder == holder
}

func (j *Job) extendLease(p Policy, holder string, now time.Time) {
	j.Lease = Lease{Holder: holder, Until: now.Add(p.Lease)}
	j.DueAt = j.Lease.Until
}

func (j *Job) finish(p Policy, s State, now time.Time) {
	now = Truncate(now)
	j.State = s
	j.Lease = Lease{}
	j.Wakes = 0
	j.FinishedAt = now
	j.ExpiresAt = now.Add(p.Retention)
	j.DueAt = now.Add(p.Wake)
}

func (j *Job) endNotification(outcome string, now time.Time) {
	j.Notification.EndedAt = Truncate(now)
	j.Notification.Outcome = outcome
	j.DueAt = j.ExpiresAt
}

// backoff returns how long to wait after the nth repetition.
func backoff(p Policy, n int) time.Duration {
	d := p.Wake
	for range min(n, 30) {
		if d >= p.WakeMax/2 {
			return p.WakeMax
		}
		d *= 2
	}
	return d
}
