package jobs

import (
	"errors"
	"fmt"
	"time"

	"mp3converter/shared/conversion"
)

var (
	// ErrFinished means that the job is in a final state.
	ErrFinished = errors.New("jobs: already finished")
	// ErrPaused means that the pause after a failed attempt is not over.
	ErrPaused = errors.New("jobs: paused after a failed attempt")
	// ErrLeased means that another worker holds the lease.
	ErrLeased = errors.New("jobs: leased to another worker")
	// ErrLeaseLost means that the caller no longer holds the lease: the job
	// was cancelled, finished or claimed by another worker.
	ErrLeaseLost = errors.New("jobs: lease lost")
	// ErrExhausted means that the job has used up its attempts, or that too many
	// workers have died during them.
	ErrExhausted = errors.New("jobs: attempts exhausted")
	// ErrNotDue means that the job changed after it was found to be due.
	ErrNotDue = errors.New("jobs: not due")
	// ErrNotUploading means that the job's video is complete.
	ErrNotUploading = errors.New("jobs: not uploading")
	// ErrUploading means that the job's video is not complete.
	ErrUploading = errors.New("jobs: still uploading")
	// ErrNotFinished means that the job has no outcome yet.
	ErrNotFinished = errors.New("jobs: not finished")
	// ErrNotFailed means that the job did not fail, so that it cannot be retried.
	ErrNotFailed = errors.New("jobs: not failed")
	// ErrVideoGone means that the video of the failed job is not kept any more.
	ErrVideoGone = errors.New("jobs: video gone")
	// ErrNotificationEnded means that the user has been notified, or never
	// will be.
	ErrNotificationEnded = errors.New("jobs: notification ended")
)

// NothingToDo reports whether err, from a rule or a Store, says that the caller has
// nothing to do: the job is finished, paused, not due or deleted, or another worker
// has it.
func NothingToDo(err error) bool {
	for _, e := range []error{
		ErrFinished, ErrPaused, ErrLeased, ErrLeaseLost, ErrNotDue, ErrNotUploading, ErrUploading, ErrNotFinished, ErrNotificationEnded, ErrNotFound,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Policy is the set of limits and intervals that the rules apply.
type Policy struct {
	MaxAttempts int           `envconfig:"MAX_ATTEMPTS" default:"5"`   // failures that the video may have caused
	MaxDeaths   int           `envconfig:"MAX_DEATHS" default:"10"`    // workers that died during an attempt
	MaxAge      time.Duration `envconfig:"MAX_JOB_AGE" default:"168h"` // age from which a failed attempt is the last, whatever caused it
	RetryMax    time.Duration `envconfig:"RETRY_MAX" default:"45s"`    // longest pause after a failed attempt
	Lease       time.Duration `envconfig:"LEASE" default:"60s"`        // time without a heartbeat after which a worker is considered dead
	Wake        time.Duration `envconfig:"WAKE_AFTER" default:"60s"`   // delay before the first repeated wake-up; doubles each time
	WakeMax     time.Duration `envconfig:"WAKE_MAX" default:"1h"`      // longest delay between wake-ups
	Retention   time.Duration `envconfig:"RETENTION" default:"168h"`   // how long a finished job and its MP3 are kept
	UploadTTL   time.Duration `envconfig:"UPLOAD_TTL" default:"24h"`   // how long an unfinished upload is kept after its last part

	// KeepFailed is how long the video of a failed job is kept if it can be retried.
	KeepFailed time.Duration `envconfig:"KEEP_FAILED_VIDEOS" default:"24h"`
}

// maxNotificationPause is the longest pause between two attempts at a notification.
const maxNotificationPause = time.Hour

// firstPause is the pause after the first failed attempt; it doubles each time.
const firstPause = 2 * time.Second

// Validate returns an error that names the invalid variable.
func (p Policy) Validate() error {
	switch {
	case p.MaxAttempts < 1:
		return errors.New("MAX_ATTEMPTS must be at least 1")
	case p.MaxDeaths < 1:
		return errors.New("MAX_DEATHS must be at least 1")
	case p.MaxAge < time.Hour:
		return errors.New("MAX_JOB_AGE must be at least 1h")
	case p.RetryMax < firstPause:
		return fmt.Errorf("RETRY_MAX must be at least %v", firstPause)
	case p.Lease < time.Second:
		return errors.New("LEASE must be at least 1s")
	case p.Wake < time.Second:
		return errors.New("WAKE_AFTER must be at least 1s")
	case p.WakeMax < p.Wake:
		return errors.New("WAKE_MAX must not be less than WAKE_AFTER")
	case p.Retention < time.Minute:
		return errors.New("RETENTION must be at least 1m")
	case p.KeepFailed < 0:
		return errors.New("KEEP_FAILED_VIDEOS must not be negative")
	case p.UploadTTL < time.Minute:
		return errors.New("UPLOAD_TTL must be at least 1m")
	}
	return nil
}

// Truncate returns t with the precision of job records: UTC, milliseconds.
func Truncate(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Enqueue puts a new job into its first state.
func (j *Job) Enqueue(p Policy, now time.Time) {
	now = Truncate(now)
	j.State = Queued
	j.CreatedAt = now
	j.DueAt = now.Add(p.Wake)
}

// Claim gives the lease to a worker and starts an attempt. It returns ErrFinished,
// ErrPaused, ErrLeased or ErrExhausted if the job cannot be claimed.
func (j *Job) Claim(p Policy, holder string, now time.Time) error {
	now = Truncate(now)
	switch {
	case j.State == Uploading:
		return ErrUploading
	case j.State.Final():
		return ErrFinished
	case j.leased(now):
		return ErrLeased
	case j.afterDeath(now).exhausted(p):
		return ErrExhausted
	case now.Before(j.NotBefore):
		return ErrPaused
	}
	*j = j.afterDeath(now)
	j.State = Converting
	j.Attempts++
	j.Progress = 0
	j.Wakes = 0
	j.StartedAt = now
	j.extendLease(p, holder, now)
	return nil
}

// Renew extends the lease of the worker that holds it and records the progress.
func (j *Job) Renew(p Policy, holder string, progress int, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.Progress = max(j.Progress, min(progress, 100))
	j.extendLease(p, holder, Truncate(now))
	return nil
}

// Complete records the MP3. Only the holder of the lease can do so: of two workers
// that race, the loser must delete its MP3.
func (j *Job) Complete(p Policy, holder string, audio File, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.Audio = audio
	j.Progress = 100
	j.finish(p, Done, now)
	return nil
}

// Fail records that the video cannot be converted.
func (j *Job) Fail(p Policy, holder string, f *conversion.Failure, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.Failure = f
	j.finish(p, Failed, now)
	return nil
}

// FailExhausted fails a job that no worker holds and that has used up its attempts, or
// during whose attempts too many workers have died.
func (j *Job) FailExhausted(p Policy, now time.Time) error {
	now = Truncate(now)
	switch {
	case j.State.Final():
		return ErrFinished
	case j.leased(now):
		return ErrLeased
	case !j.Exhausted(p, now):
		return ErrNotDue
	}
	*j = j.afterDeath(now)
	j.Failure = conversion.AttemptsExhausted
	j.finish(p, Failed, now)
	return nil
}

// Release returns the job to the queue without counting the attempt: the worker
// has to stop.
func (j *Job) Release(p Policy, holder string, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.requeue(Truncate(now).Add(p.Wake))
	return nil
}

// Postpone returns the job to the queue after a failure that is not the video's, such
// as a store that is away. The attempt does not count. No attempt starts before a
// pause that grows up to p.RetryMax, whatever the queue delivers. A job that was created,
// or retried by its owner, p.MaxAge ago fails instead, so that every job ends.
func (j *Job) Postpone(p Policy, holder string, now time.Time) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	now = Truncate(now)
	if now.Sub(j.AcceptedAt()) >= p.MaxAge {
		j.Failure = conversion.AttemptsExhausted
		j.finish(p, Failed, now)
		return nil
	}
	j.NotBefore = now.Add(doubled(firstPause, p.RetryMax, j.Retries))
	j.Retries++
	j.requeue(j.NotBefore)
	return nil
}

// Retry is Postpone after a failure that the video may have caused: the attempt
// counts, and the last one fails the job with f.
func (j *Job) Retry(p Policy, holder string, f *conversion.Failure, now time.Time) error {
	attempts := j.Attempts
	if j.leasedTo(holder) && attempts >= p.MaxAttempts {
		return j.Fail(p, holder, f, now)
	}
	if err := j.Postpone(p, holder, now); err != nil {
		return err
	}
	j.Attempts = attempts
	return nil
}

// Cancel ends the job at its owner's request. The owner is not notified.
func (j *Job) Cancel(p Policy, now time.Time) error {
	switch {
	case j.State == Uploading:
		return ErrUploading
	case j.State.Final():
		return ErrFinished
	}
	j.finish(p, Cancelled, now)
	j.endNotification(NotificationOff, now)
	return nil
}

// WakeSent records that a wake-up has been sent again and schedules the next one. A
// job whose worker has died returns to the queue.
func (j *Job) WakeSent(p Policy, now time.Time) error {
	now = Truncate(now)
	if j.DueAt.After(now) {
		return ErrNotDue
	}
	*j = j.afterDeath(now)
	j.setDue(now.Add(doubled(p.Wake, p.WakeMax, j.Wakes+1)))
	j.Wakes++
	return nil
}

// Defer makes a due job due later. Due returns the earliest jobs first, so jobs that
// cannot be processed would hide all others.
func (j *Job) Defer(delay time.Duration, now time.Time) error {
	if j.DueAt.After(now) {
		return ErrNotDue
	}
	j.DueAt = Truncate(now.Add(delay))
	return nil
}

// ClaimNotification leases the notification to one notifier. ErrLeased means that
// another notifier holds it, or that the delay after a failed attempt is not over.
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
	j.setDue(now.Add(max(p.Lease, doubled(p.Wake, maxNotificationPause, j.Notification.Attempts))))
	return nil
}

// RecordNotification records the channels that are done and the outcome. With an
// empty outcome, or while a delivery is pending, the rest is retried when the job is
// due. Until then ClaimNotification returns ErrLeased: the quick retries of RabbitmqSource would
// otherwise use up all attempts while a mail server restarts.
func (j *Job) RecordNotification(p Policy, holder string, notified []string, outcome string, now time.Time) error {
	if j.Notification.Lease.Holder != holder || !j.Notification.EndedAt.IsZero() {
		return ErrLeaseLost
	}
	until := j.DueAt
	if until.Equal(j.VideoUntil) { // the lease may end later
		until = later(until, j.Notification.Lease.Until)
	}
	j.Notification.Lease = Lease{Until: until}
	j.Notification.Notified = notified
	if outcome != "" && !j.DeliveriesPending() {
		j.Notification.Lease = Lease{}
		j.endNotification(outcome, now)
	}
	return nil
}

// ReleaseDead ends the lease of a worker or request that is known to be dead before the
// lease expires. A worker's job returns to the queue.
func (j *Job) ReleaseDead(p Policy, now time.Time) error {
	if j.State == Uploading {
		j.Lease = Lease{}
		return nil
	}
	if j.State != Converting {
		return ErrLeaseLost
	}
	now = Truncate(now)
	j.Lease.Until = now
	*j = j.afterDeath(now)
	j.DueAt = now.Add(p.Wake)
	return nil
}

// Drain records that the worker is about to stop. If it is killed before the attempt
// ends, that does not count as a death.
func (j *Job) Drain(holder string) error {
	if !j.leasedTo(holder) {
		return ErrLeaseLost
	}
	j.Lease.Draining = true
	return nil
}

// afterDeath returns the job as it is if its worker has died, and an unchanged copy
// otherwise. The death is counted apart from the attempts: most have nothing to do
// with the video.
func (j *Job) afterDeath(now time.Time) Job {
	k := *j
	if k.State != Converting || k.leased(now) {
		return k
	}
	if !k.Lease.Draining {
		k.Deaths++
	}
	k.requeue(k.DueAt)
	return k
}

// requeue ends an attempt that does not count.
func (j *Job) requeue(due time.Time) {
	j.State = Queued
	j.Attempts--
	j.Progress = 0
	j.Lease = Lease{}
	j.DueAt = due
}

// Exhausted reports whether FailExhausted would fail the job.
func (j *Job) Exhausted(p Policy, now time.Time) bool {
	now = Truncate(now)
	return !j.State.Final() && !j.leased(now) && j.afterDeath(now).exhausted(p)
}

func (j Job) exhausted(p Policy) bool {
	return j.Attempts >= p.MaxAttempts || j.Deaths >= p.MaxDeaths
}

func (j *Job) leased(now time.Time) bool {
	return j.State == Converting && now.Before(j.Lease.Until)
}

func (j *Job) leasedTo(holder string) bool {
	return j.State == Converting && j.Lease.Holder == holder
}

func (j *Job) extendLease(p Policy, holder string, now time.Time) {
	j.Lease.Holder, j.Lease.Until = holder, now.Add(p.Lease)
	j.DueAt = j.Lease.Until
}

// setDue sets DueAt, at the latest to the time at which the job or its video expires.
func (j *Job) setDue(t time.Time) {
	if j.State.Final() && j.ExpiresAt.Before(t) {
		t = j.ExpiresAt
	}
	if !j.VideoUntil.IsZero() && j.VideoUntil.Before(t) {
		t = j.VideoUntil
	}
	j.DueAt = t
}

func (j *Job) finish(p Policy, s State, now time.Time) {
	now = Truncate(now)
	j.State = s
	j.Lease = Lease{}
	j.Wakes = 0
	j.FinishedAt = now
	j.ExpiresAt = now.Add(p.Retention)
	j.keepVideo(p, now)
	j.setDue(now.Add(p.Wake))
}

func (j *Job) endNotification(outcome string, now time.Time) {
	j.Notification.EndedAt = Truncate(now)
	j.Notification.Outcome = outcome
	j.setDue(j.ExpiresAt)
}

// doubled returns d doubled n times, at most limit.
func doubled(d, limit time.Duration, n int) time.Duration {
	for range min(n, 30) {
		if d >= limit/2 {
			return limit
		}
		d *= 2
	}
	return d
}
