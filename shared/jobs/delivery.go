package jobs

import (
	"errors"
	"slices"
	"time"
)

// ErrNoDelivery means that the job has no delivery with that identifier.
var ErrNoDelivery = errors.New("jobs: no such delivery")

// The targets of deliveries.
const (
	TargetJob      = "job"      // Job.NotifyURL
	TargetUser     = "user"     // the webhook of the job's owner
	TargetOperator = "operator" // the webhook of the operator
)

// DeliveryState is the state of a delivery.
type DeliveryState string

const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryRejected  DeliveryState = "rejected" // the receiver wants no more messages
	DeliveryFailed    DeliveryState = "failed"   // not delivered within the period, or there is no receiver
)

// MaxDeliveryLog is how many attempts a delivery lists: a record stays small.
const MaxDeliveryLog = 10

// Delivery is one message about the outcome of a job to one webhook.
type Delivery struct {
	ID        string            `bson:"id" json:"id"` // of the message, in all attempts
	Target    string            `bson:"target" json:"target"`
	URL       string            `bson:"url,omitempty" json:"url,omitempty"` // of the latest attempt; "" for the operator's
	State     DeliveryState     `bson:"state" json:"state"`
	CreatedAt time.Time         `bson:"createdAt" json:"createdAt"`
	Since     time.Time         `bson:"since" json:"since"`                 // when the period of attempts began; zero until then
	Tries     int               `bson:"tries" json:"tries"`                 // attempts, also those that are no longer listed
	Log       []DeliveryAttempt `bson:"log,omitempty" json:"log,omitempty"` // the latest attempts, the oldest first
}

// DeliveryAttempt is the log of one attempt.
type DeliveryAttempt struct {
	At           time.Time `bson:"at" json:"at"`
	Status       int       `bson:"status,omitempty" json:"status,omitempty"` // of the response; 0 if there was none
	Error        string    `bson:"error,omitempty" json:"error,omitempty"`   // for the user; "" if delivered
	Milliseconds int64     `bson:"ms" json:"ms"`
}

// DeliveryResult is the result of one attempt. The state pending means that the
// delivery should be retried.
type DeliveryResult struct {
	ID      string
	URL     string
	State   DeliveryState
	Attempt DeliveryAttempt
}

// OpenDeliveries adds the deliveries to targets that the job has none for, and begins
// the period of those that are attempted for the first time or again after Resend. It is
// applied together with ClaimNotification.
func (j *Job) OpenDeliveries(opened []Delivery, now time.Time) {
	now = Truncate(now)
	all := slices.Clone(j.Deliveries)
	for _, d := range opened {
		if slices.ContainsFunc(all, func(other Delivery) bool { return other.Target == d.Target }) {
			continue
		}
		d.State, d.CreatedAt = DeliveryPending, now
		all = append(all, d)
	}
	for i := range all {
		if all[i].State == DeliveryPending && all[i].Since.IsZero() {
			all[i].Since = now
		}
	}
	j.Deliveries = all
}

// RecordDeliveries records attempts. Only the notifier that holds the lease of the
// notification can do so. A delivery that should be retried has failed if its period is
// over.
func (j *Job) RecordDeliveries(holder string, results []DeliveryResult, period time.Duration, now time.Time) error {
	if j.Notification.Lease.Holder != holder || !j.Notification.EndedAt.IsZero() {
		return ErrLeaseLost
	}
	j.Deliveries = slices.Clone(j.Deliveries)
	for _, r := range results {
		d := j.delivery(r.ID)
		if d == nil {
			continue
		}
		d.State, d.URL = r.State, r.URL
		// Since is zero if it has been resent meanwhile.
		if d.State == DeliveryPending && !d.Since.IsZero() && !now.Before(d.Since.Add(period)) {
			d.State = DeliveryFailed
		}
		d.Tries++
		d.Log = append(slices.Clone(d.Log), r.Attempt)
		d.Log = d.Log[max(0, len(d.Log)-MaxDeliveryLog):]
	}
	return nil
}

// Resend makes a delivery pending again, with a new period, and reopens the
// notification. A notifier that is at work is not disturbed; the delivery is attempted
// after it. It returns ErrNotFinished or ErrNoDelivery.
func (j *Job) Resend(p Policy, deliveryID string, now time.Time) error {
	if !j.State.Final() {
		return ErrNotFinished
	}
	j.Deliveries = slices.Clone(j.Deliveries)
	d := j.delivery(deliveryID)
	if d == nil {
		return ErrNoDelivery
	}
	d.State, d.Since = DeliveryPending, time.Time{}
	j.Notification.EndedAt, j.Notification.Outcome, j.Notification.Attempts = time.Time{}, "", 0
	j.Wakes = 0
	delay := p.Wake
	if j.Notification.Lease.Holder == "" {
		j.Notification.Lease = Lease{} // ends the pause
	} else {
		delay = max(p.Wake, p.Lease)
	}
	j.setDue(Truncate(now).Add(delay))
	return nil
}

// DeliveriesPending reports whether a delivery will be attempted.
func (j *Job) DeliveriesPending() bool {
	return slices.ContainsFunc(j.Deliveries, func(d Delivery) bool { return d.State == DeliveryPending })
}

// delivery returns the delivery with the given identifier, or nil.
func (j *Job) delivery(id string) *Delivery {
	for i := range j.Deliveries {
		if j.Deliveries[i].ID == id {
			return &j.Deliveries[i]
		}
	}
	return nil
}
