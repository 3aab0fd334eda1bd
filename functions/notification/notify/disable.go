package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/webhooks"
)

// recordReceiver records in the owner's settings whether the user's webhook works, and
// switches it off if it wants no more messages or has failed for a whole period. j is the
// record after the attempts, which began at start, or before them if the job has been
// deleted meanwhile: receivers may do that before they answer. An error is only logged: the next
// attempt, or the next delivery that fails, does the same.
func (n *Notifier) recordReceiver(ctx context.Context, j jobs.Job, s webhooks.Settings, results []jobs.DeliveryResult, start time.Time) {
	i := slices.IndexFunc(j.Deliveries, func(d jobs.Delivery) bool { return d.Target == jobs.TargetUser })
	if i < 0 {
		return
	}
	d := j.Deliveries[i]
	k := slices.IndexFunc(results, func(r jobs.DeliveryResult) bool { return r.ID == d.ID })
	if k < 0 || results[k].URL != s.URL || !s.Active() {
		return
	}
	url, last, state := s.URL, results[k].Attempt, results[k].State
	if state == jobs.DeliveryPending {
		state = d.State // the period may be over
	}
	if state == jobs.DeliveryDelivered && s.FailingSince.IsZero() {
		return // the usual case needs no write
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	changed, err := n.settings.Update(ctx, j.Owner, func(c *webhooks.Settings) error {
		switch state {
		case jobs.DeliveryDelivered:
			return c.RecordSuccess(url)
		case jobs.DeliveryRejected:
			_ = c.RecordFailure(url, start)
			return c.Disable(url, last.Error, start, n.jobs.Now())
		case jobs.DeliveryFailed:
			unchanged := c.RecordFailure(url, start)
			reason := fmt.Sprintf("no message could be delivered since %s; last: %s", c.FailingSince.Format(time.RFC3339), last.Error)
			if c.Disable(url, reason, d.Since, n.jobs.Now()) == nil {
				return nil
			}
			return unchanged // another message was delivered meanwhile
		default:
			return c.RecordFailure(url, start)
		}
	})
	switch {
	case errors.Is(err, webhooks.ErrUnchanged):
	case err != nil:
		slog.WarnContext(ctx, "webhook settings not updated", "error", err)
	case !changed.Active():
		slog.WarnContext(ctx, "webhook switched off", "user", j.Owner, "reason", changed.DisabledReason)
	}
}
