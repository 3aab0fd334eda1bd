package jobstest

import (
	"errors"
	"time"

	"mp3converter/shared/jobs"
)

// deliveryPeriod is for how long a webhook is retried.
const deliveryPeriod = 6 * time.Hour

// deliver attempts the pending deliveries of a job and returns the results.
func (p *process) deliver(j jobs.Job) []jobs.DeliveryResult {
	var results []jobs.DeliveryResult
	for _, d := range j.Deliveries {
		if d.State != jobs.DeliveryPending {
			continue
		}
		res := jobs.DeliveryResult{ID: d.ID, State: jobs.DeliveryPending, Attempt: jobs.DeliveryAttempt{At: jobs.Truncate(p.now)}}
		if p.post(j, d) {
			res.State = jobs.DeliveryDelivered
		}
		results = append(results, res)
	}
	return results
}

// post sends a message and reports whether the receiver confirmed. It does not if the
// lease is over.
func (p *process) post(j jobs.Job, d jobs.Delivery) bool {
	p.pause()
	if !p.now.Before(j.Notification.Lease.Until) {
		return false
	}
	f, r := p.fate(), p.records[j.ID]
	for _, recorded := range r.job.Deliveries {
		if f != lost && recorded.ID == d.ID && recorded.State != jobs.DeliveryPending && !r.gone {
			p.broken(deliveredOnce, "job %s: %+v", j.ID, recorded)
		}
	}
	return f == served
}

// resend is the gateway's part of the resending of a delivery.
func (p *process) resend(id string) {
	var delivery string
	_, err := p.update("Resend", id, func(j *jobs.Job) error {
		if len(j.Deliveries) == 0 {
			return jobs.ErrNotFinished
		}
		delivery = j.Deliveries[0].ID
		return j.Resend(policy, delivery, p.now)
	})
	if err == nil || !errors.Is(err, jobs.ErrNotFinished) && !errors.Is(err, jobs.ErrNotFound) {
		p.wake("mp3", id)
	}
}

// resendOne starts a process that resends a delivery.
func (w *world) resendOne() {
	var ended []string
	for _, id := range w.order {
		if r := w.records[id]; !r.gone && len(r.job.Deliveries) > 0 {
			ended = append(ended, id)
		}
	}
	if len(ended) == 0 {
		w.t.Skip()
	}
	id := draw(w, "job", ended...)
	w.start("resend", func(p *process) { p.resend(id) })
}

// checkDeliveries checks a change of the deliveries.
func (w *world) checkDeliveries(c change) {
	a, b := c.before, c.after
	if len(b.Deliveries) > 1 {
		w.broken(wellFormed, "%s: two deliveries to one target: %+v", c.rule, b.Deliveries)
	}
	for i, d := range b.Deliveries {
		switch {
		case len(d.Log) > jobs.MaxDeliveryLog || len(d.Log) > d.Tries:
			w.broken(wellFormed, "%s: the log of %d attempts has %d entries", c.rule, d.Tries, len(d.Log))
		case d.State == jobs.DeliveryPending && !b.Notification.EndedAt.IsZero():
			w.broken(attention, "%s: a delivery is pending, but the notification has ended: %+v", c.rule, b)
		case i < len(a.Deliveries) && a.Deliveries[i].ID != d.ID:
			w.broken(deliveredOnce, "%s: the message %+v became %+v", c.rule, a.Deliveries[i], d)
		case i < len(a.Deliveries) && a.Deliveries[i].State != jobs.DeliveryPending && d.State != a.Deliveries[i].State && c.rule != "Resend":
			w.broken(deliveredOnce, "%s: %+v became %+v", c.rule, a.Deliveries[i], d)
		}
	}
}
