package jobs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"mp3converter/shared/conversion"
	"reflect"
	"testing"
	"time"
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
	finals, told, begun := 0, 0, 0
	var trail []taken
	for range 60 {
		now = now.Add(time.Duration(r.ExpFloat64() * float64(20*time.Second)))
		before := *job
		name, err := step(r, job, now)
		trail = append(trail, taken{name, now.Sub(start), err})
		if name == "Claim" && err == nil {
			begun++
		}
		if job.State.Final() && !before.State.Final() {
			finals++
		}
		if !job.Notification.EndedAt.IsZero() && before.Notification.EndedAt.IsZero() {
			told++
		}
		if broken := check(before, *job, now, name, err); broken != nil {
			return fmt.Errorf("%w\nafter %v\nthe job is %+v", broken, trail, *job)
		}
		if finals > 1 || told > 1 {
			return fmt.Errorf("finished %d times, told %d times: %v", finals, told, trail)
		}
	}
	if job.Attempts > begun {
		return fmt.Errorf("%d attempts counted, %d begun: %v", job.Attempts, begun, trail)
	}
	return nil
}

// taken is a step of the way.
type taken struct {
	rule string
	at   time.Duration
	err  error
}

// step lets one of three workers, or somebody else, do something at random.
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
		return "Retry", j.Retry(policy, who, now)
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
		return "RecordNotification", j.RecordNotification(policy, who, []string{who}, []string{"sent", "off", "gave_up", ""}[r.IntN(4)], now)
	}
}

// check says what the step from a to b broke.
func check(a, b Job, now time.Time, name string, err error) error {
	live := a.State == Converting && Truncate(now).Before(a.Lease.Until)
	switch {
	case err != nil && !reflect.DeepEqual(a, b):
		return errors.New("a refused step changed the job")
	case a.State.Final() && (b.State != a.State || b.Audio != a.Audio || b.Failure != a.Failure || b.FinishedAt != a.FinishedAt || b.ExpiresAt != a.ExpiresAt):
		return errors.New("an outcome changed")
	case live && b.State == Converting && b.Lease.Holder != a.Lease.Holder:
		return errors.New("a live lease changed hands")
	case live && b.State == Failed && name == "FailExhausted":
		return errors.New("the janitor gave up a job that is at work")
	case (b.State == Converting) != (b.Lease != Lease{}):
		return errors.New("a lease without a conversion, or a conversion without a lease")
	case b.State == Converting && name != "WakeSent" && b.DueAt != b.Lease.Until && a.State != b.State:
		return errors.New("the janitor does not come when the lease ends")
	case b.Attempts < 0 || b.Attempts > policy.MaxAttempts:
		return errors.New("attempts out of bounds")
	case b.Progress < 0 || b.Progress > 100 || a.State == Converting && b.State == Converting && name == "Renew" && b.Progress < a.Progress:
		return errors.New("progress out of bounds, or going back")
	case (b.State == Done) != (b.Audio != File{}):
		return errors.New("done without an MP3, or an MP3 without being done")
	case (b.State == Failed) != (b.Failure != nil):
		return errors.New("failed without a reason, or a reason without having failed")
	case b.State.Final() == b.FinishedAt.IsZero() || b.State.Final() == b.ExpiresAt.IsZero():
		return errors.New("the end is not dated, or something else is")
	case b.Notification.EndedAt.IsZero() != (b.Notification.Outcome == ""):
		return errors.New("told without an outcome, or the other way round")
	case !a.Notification.EndedAt.IsZero() && !reflect.DeepEqual(b.Notification, a.Notification):
		return errors.New("a settled notice changed")
	case !b.Notification.EndedAt.IsZero() && (b.Notification.Lease != Lease{}):
		return errors.New("somebody still tells what is settled")
	case b.DueAt.IsZero():
		return errors.New("the janitor never comes")
	case err == nil && name != "nothing" && name != "RecordNotification" && b.DueAt.Before(Truncate(now)):
		return errors.New("due in the past")
	}
	return nil
}
