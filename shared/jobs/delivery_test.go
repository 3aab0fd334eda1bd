package jobs

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

var deliveryPolicy = Policy{Lease: time.Minute, Wake: time.Minute, WakeMax: time.Minute, Retention: 7 * 24 * time.Hour}

var finish = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// claimed returns a finished job whose notification is leased to "me".
func claimed(t *testing.T, deliveries ...Delivery) *Job {
	t.Helper()
	j := &Job{}
	j.finish(deliveryPolicy, Done, finish)
	claimAt(t, j, finish, deliveries...)
	return j
}

func claimAt(t *testing.T, j *Job, now time.Time, deliveries ...Delivery) {
	t.Helper()
	if err := j.ClaimNotification(deliveryPolicy, "me", now); err != nil {
		t.Fatal(err)
	}
	j.OpenDeliveries(deliveries, now)
}

// attempt records the result of an attempt at each pending delivery.
func attempt(t *testing.T, j *Job, state DeliveryState, now time.Time) {
	t.Helper()
	var results []DeliveryResult
	for _, d := range j.Deliveries {
		if d.State == DeliveryPending {
			results = append(results, DeliveryResult{ID: d.ID, State: state, Attempt: DeliveryAttempt{At: now}})
		}
	}
	if err := j.RecordDeliveries("me", results, 24*time.Hour, now); err != nil {
		t.Fatal(err)
	}
	if err := j.RecordNotification(deliveryPolicy, "me", nil, NotificationSent, now); err != nil {
		t.Fatal(err)
	}
}

// A receiver that is always away is tried for a day, first after minutes and then
// every hour.
func TestDeliveryIsRetriedForADay(t *testing.T) {
	j := claimed(t, Delivery{ID: "d", Target: TargetJob})
	now := finish
	var pauses []time.Duration
	for j.Notification.EndedAt.IsZero() {
		attempt(t, j, DeliveryPending, now)
		if !j.Notification.EndedAt.IsZero() {
			break
		}
		for _, early := range []time.Time{now, j.DueAt.Add(-time.Millisecond)} {
			if err := j.ClaimNotification(deliveryPolicy, "me", early); !errors.Is(err, ErrLeased) {
				t.Fatalf("claimed before the pause is over: %v", err)
			}
		}
		pauses = append(pauses, j.DueAt.Sub(now))
		now = j.DueAt
		claimAt(t, j, now)
	}
	d := j.Deliveries[0]
	if took := now.Sub(finish); took < 24*time.Hour || took > 25*time.Hour {
		t.Errorf("given up after %v, want a day", took)
	}
	if d.State != DeliveryFailed || d.Tries != len(pauses)+1 || len(d.Log) != MaxDeliveryLog || !d.Log[MaxDeliveryLog-1].At.Equal(now) {
		t.Errorf("delivery %+v after %d pauses", d, len(pauses))
	}
	want := []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}
	if !reflect.DeepEqual(pauses[:len(want)], want) || len(pauses) > 40 {
		t.Errorf("pauses %v", pauses)
	}
}

func TestDeliveriesEndAlone(t *testing.T) {
	j := claimed(t, Delivery{ID: "a", Target: TargetJob}, Delivery{ID: "b", Target: TargetUser})
	results := []DeliveryResult{{ID: "a", State: DeliveryDelivered}, {ID: "b", State: DeliveryPending}}
	if err := j.RecordDeliveries("me", results, time.Hour, finish); err != nil {
		t.Fatal(err)
	}
	if err := j.RecordNotification(deliveryPolicy, "me", []string{"mail"}, NotificationSent, finish); err != nil {
		t.Fatal(err)
	}
	if !j.Notification.EndedAt.IsZero() || j.Deliveries[0].State != DeliveryDelivered || j.Deliveries[1].State != DeliveryPending {
		t.Fatalf("after one of two: %+v", j)
	}
	claimAt(t, j, j.DueAt)
	attempt(t, j, DeliveryDelivered, j.DueAt)
	if j.Notification.Outcome != NotificationSent || j.Deliveries[0].Tries != 1 || j.Deliveries[1].Tries != 2 {
		t.Errorf("after both: %+v", j)
	}
}

func TestOpenDeliveries(t *testing.T) {
	j := claimed(t, Delivery{ID: "first", Target: TargetUser})
	j.OpenDeliveries([]Delivery{{ID: "again", Target: TargetUser}, {ID: "new", Target: TargetJob}}, finish.Add(time.Second))
	if len(j.Deliveries) != 2 || j.Deliveries[0].ID != "first" || !j.Deliveries[0].Since.Equal(finish) || j.Deliveries[1].ID != "new" {
		t.Errorf("deliveries %+v", j.Deliveries)
	}
}

func TestRecordDeliveriesNeedsTheLease(t *testing.T) {
	j := claimed(t, Delivery{ID: "d", Target: TargetJob})
	results := []DeliveryResult{{ID: "d", State: DeliveryDelivered}}
	if err := j.RecordDeliveries("other", results, time.Hour, finish); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("by another notifier: %v", err)
	}
	if j.Deliveries[0].State != DeliveryPending {
		t.Errorf("delivery %+v", j.Deliveries[0])
	}
}

func TestResend(t *testing.T) {
	later := finish.Add(48 * time.Hour)
	t.Run("ended", func(t *testing.T) {
		j := claimed(t, Delivery{ID: "d", Target: TargetJob})
		attempt(t, j, DeliveryDelivered, finish)
		if err := j.Resend(deliveryPolicy, "d", later); err != nil {
			t.Fatal(err)
		}
		if j.Notification.Outcome != "" || !j.DueAt.Equal(later.Add(deliveryPolicy.Wake)) {
			t.Errorf("not open again: %+v", j)
		}
		claimAt(t, j, later)
		attempt(t, j, DeliveryPending, later) // the period is a new one
		if d := j.Deliveries[0]; d.ID != "d" || d.State != DeliveryPending || !d.Since.Equal(later) || d.Tries != 2 {
			t.Errorf("delivery %+v", d)
		}
	})
	t.Run("while a notifier works", func(t *testing.T) {
		j := claimed(t, Delivery{ID: "d", Target: TargetJob}, Delivery{ID: "e", Target: TargetUser})
		if err := j.RecordDeliveries("me", []DeliveryResult{{ID: "e", State: DeliveryDelivered}}, time.Hour, finish); err != nil {
			t.Fatal(err)
		}
		if err := j.Resend(deliveryPolicy, "e", later); err != nil {
			t.Fatal(err)
		}
		if err := j.RecordDeliveries("me", []DeliveryResult{{ID: "d", State: DeliveryDelivered}, {ID: "e", State: DeliveryPending}}, time.Hour, later); err != nil {
			t.Fatalf("the lease is lost: %v", err)
		}
		if err := j.RecordNotification(deliveryPolicy, "me", nil, NotificationSent, later); err != nil || !j.Notification.EndedAt.IsZero() {
			t.Errorf("%v, %+v", err, j.Notification)
		}
		if j.Deliveries[1].State != DeliveryPending || j.Notification.Lease.Until.After(later.Add(deliveryPolicy.Lease)) {
			t.Errorf("%+v", j)
		}
	})
	t.Run("refused", func(t *testing.T) {
		j := claimed(t)
		if err := j.Resend(deliveryPolicy, "d", later); !errors.Is(err, ErrNoDelivery) {
			t.Errorf("unknown: %v", err)
		}
		if err := (&Job{State: Queued}).Resend(deliveryPolicy, "d", later); !errors.Is(err, ErrNotFinished) {
			t.Errorf("queued: %v", err)
		}
	})
}

// Rules must not change the record that they are given in place: the write may fail.
func TestRulesCopyDeliveries(t *testing.T) {
	j := claimed(t, Delivery{ID: "d", Target: TargetJob})
	for name, rule := range map[string]func(*Job) error{
		"RecordDeliveries": func(j *Job) error {
			return j.RecordDeliveries("me", []DeliveryResult{{ID: "d", State: DeliveryDelivered}}, time.Hour, finish)
		},
		"Resend":         func(j *Job) error { return j.Resend(deliveryPolicy, "d", finish) },
		"OpenDeliveries": func(j *Job) error { j.OpenDeliveries(nil, finish.Add(time.Hour)); return nil },
	} {
		before := j.Deliveries[0]
		changed := *j
		if err := rule(&changed); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(j.Deliveries[0], before) {
			t.Errorf("%s changed the original: %+v", name, j.Deliveries[0])
		}
	}
}
