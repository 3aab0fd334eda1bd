package jobs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/conversion"
)

// Whatever workers, janitor, notifiers and owner do, in whatever order and
// however late, what the rules promise holds after every step.
func TestRandomWalk(t *testing.T) {
	for range 2000 {
		seed := rand.Uint64()
		if err := walk(rand.New(rand.NewPCG(seed, 0))); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func walk(r *rand.Rand) error {
	now := start
	job := new(Job)
	job.Enqueue(policy, now)
	finals, notified, begun := 0, 0, 0
	var trail []transition
	for range 60 {
		now = now.Add(time.Duration(r.ExpFloat64() * float64(20*time.Second)))
		before := *job
		name, err := step(r, job, now)
		trail = append(trail, transition{name, now.Sub(start), err})
		if name == "Claim" && err == nil {
			begun++
		}
		if job.State.Final() && !before.State.Final() {
			finals++
		}
		if !job.Notification.EndedAt.IsZero() && before.Notification.EndedAt.IsZero() {
			notified++
		}
		if broken := check(before, *job, now, name, err); broken != nil {
			return fmt.Errorf("%w\nafter %v\nthe job is %+v", broken, trail, *job)
		}
		if finals > 1 || notified > 1 {
			return fmt.Errorf("finished %d times, notified %d times: %v", finals, notified, trail)
		}
	}
	if job.Attempts > begun {
		return fmt.Errorf("%d attempts counted, %d begun: %v", job.Attempts, begun, trail)
	}
	return nil
}

// transition is one applied rule.
type transition struct {
	rule string
	at   time.Duration
	err  error
}

// step applies a random rule for one of three workers.
func step(r *rand.Rand, j *Job, now time.Time) (name string, err error) {
	who := [3]string{"ann", "bob", "cy"}[r.IntN(3)]
	switch r.IntN(20) {
	case 0, 1, 2, 3:
		return "Claim", j.Claim(policy, who, now)
	case 4, 5, 6:
		return "Renew", j.Renew(policy, who, r.IntN(140)-20, now)
	case 7:
		return "Complete", j.Complete(policy, who, File{who, 1}, now)
	case 8:
		return "Fail", j.Fail(policy, who, conversion.Corrupt, now)
	case 9:
		return "Release", j.Release(policy, who, now)
	case 10:
		if r.IntN(4) == 0 {
			return "ReleaseDead", j.ReleaseDead(policy, now)
		}
		if r.IntN(3) == 0 {
			return "Postpone", j.Postpone(policy, who, now)
		}
		return "Retry", j.Retry(policy, who, conversion.Corrupt, now)
	case 11:
		if r.IntN(4) > 0 {
			return "nothing", nil
		}
		return "Cancel", j.Cancel(policy, now)
	case 12:
		if r.IntN(4) > 0 {
			return "nothing", nil
		}
		return "FailExhausted", j.FailExhausted(policy, now)
	case 13:
		return "WakeSent", j.WakeSent(policy, now)
	case 14, 15, 16:
		return "ClaimNotification", j.ClaimNotification(policy, who, now)
	default:
		return "RecordNotification", j.RecordNotification(policy, who, []string{who}, []string{NotificationSent, NotificationOff, NotificationGaveUp, ""}[r.IntN(4)], now)
	}
}

// check returns the invariant that the step from a to b violates.
func check(a, b Job, now time.Time, name string, err error) error {
	live := a.State == Converting && Truncate(now).Before(a.Lease.Until)
	switch {
	case err != nil && !reflect.DeepEqual(a, b):
		return errors.New("a refused step changed the job")
	case a.State.Final() && (b.State != a.State || b.Audio != a.Audio || b.Failure != a.Failure || b.FinishedAt != a.FinishedAt || b.ExpiresAt != a.ExpiresAt):
		return errors.New("an outcome changed")
	case live && b.State == Converting && b.Lease.Holder != a.Lease.Holder:
		return errors.New("a valid lease changed its holder")
	case live && b.State == Failed && name == "FailExhausted":
		return errors.New("the janitor failed a job with a valid lease")
	case (b.State == Converting) != (b.Lease != Lease{}):
		return errors.New("a lease without a conversion, or a conversion without a lease")
	case b.State == Converting && name != "WakeSent" && b.DueAt != b.Lease.Until && a.State != b.State:
		return errors.New("not due when the lease ends")
	case b.Attempts < 0 || b.Attempts > policy.MaxAttempts:
		return errors.New("attempts out of bounds")
	case b.Progress < 0 || b.Progress > 100 || a.State == Converting && b.State == Converting && name == "Renew" && b.Progress < a.Progress:
		return errors.New("progress out of bounds or decreasing")
	case (b.State == Done) != (b.Audio != File{}):
		return errors.New("done without an MP3, or an MP3 in another state")
	case (b.State == Failed) != (b.Failure != nil):
		return errors.New("failed without a failure, or a failure in another state")
	case b.State.Final() == b.FinishedAt.IsZero() || b.State.Final() == b.ExpiresAt.IsZero():
		return errors.New("FinishedAt or ExpiresAt missing in a final state, or set in another")
	case b.Notification.EndedAt.IsZero() != (b.Notification.Outcome == ""):
		return errors.New("EndedAt without an outcome, or an outcome without EndedAt")
	case !a.Notification.EndedAt.IsZero() && !reflect.DeepEqual(b.Notification, a.Notification):
		return errors.New("an ended notification changed")
	case !b.Notification.EndedAt.IsZero() && (b.Notification.Lease != Lease{}):
		return errors.New("an ended notification is leased")
	case b.DueAt.IsZero():
		return errors.New("no DueAt")
	case err == nil && name != "nothing" && name != "RecordNotification" && b.DueAt.Before(Truncate(now)):
		return errors.New("due in the past")
	}
	return nil
}
