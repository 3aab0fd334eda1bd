// Package notify notifies users and the operator of the outcome of jobs. It is woken
// by an event and reads everything else from the job record, which also lists the
// channels that are done and the deliveries to webhooks.
//
// Each channel and webhook is used at least once per job, and only once if nothing fails. It is
// used again if the answer of the mail server or webhook is lost, or if the process
// dies or the store fails before the record lists the channel. Nobody can be notified
// exactly once over a protocol without transactions; what is sent carries the job's
// identifier, by which a receiver can detect a repetition.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/problem"
	"mp3converter/shared/webhooks"
)

// storeTimeout bounds the write of the result.
const storeTimeout = 10 * time.Second

var notifications = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "mp3converter_notifications_total",
	Help: "Notification attempts by channel and result.",
}, []string{"channel", "result"})

// Notifier serves the mp3 queue. It is safe for concurrent use.
type Notifier struct {
	policy    jobs.Policy
	period    time.Duration
	jobs      jobs.Store
	settings  webhooks.Store
	channels  []Channel
	deliverer *deliverer
}

// New returns a notifier with the configured channels, or an error that names the
// invalid variable.
func New(cfg Config, j jobs.Store, settings webhooks.Store) (*Notifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	channels, err := cfg.channels(j)
	if err != nil {
		return nil, err
	}
	d, err := newDeliverer(cfg)
	if err != nil {
		return nil, err
	}
	return &Notifier{policy: cfg.Policy, period: cfg.Period, jobs: j, settings: settings, channels: channels, deliverer: d}, nil
}

// Handler responds to the RabbitmqSource of the mp3 queue:
//
//	204  notified, given up, or nothing to do
//	400  not an event of this queue; it is dead-lettered
//	503  retry later
func (n *Notifier) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /", problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		job, err := events.JobID(w, r, events.JobFinished)
		if err != nil {
			return problem.BadRequest.WithCause(err)
		}
		ctx := logs.With(r.Context(), slog.String("job", job))
		if err := n.Notify(ctx, job); err != nil {
			return problem.Unavailable.WithCause(err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	return problem.Mux(mux)
}

// Notify sends the notifications of a job that are due. A nil error acknowledges the
// event.
func (n *Notifier) Notify(ctx context.Context, jobID string) error {
	holder, start := id.New(), time.Now()
	j, settings, err := n.claim(ctx, jobID, holder)
	switch {
	case jobs.NothingToDo(err):
		slog.InfoContext(ctx, "nothing to notify", "reason", err)
		return nil
	case err != nil:
		return fmt.Errorf("claim notification: %w", err)
	}
	// The lease began after start. Another notifier may continue when it ends.
	sendCtx, cancel := context.WithDeadline(ctx, start.Add(n.policy.Lease))
	defer cancel()
	claimedAt := j.Notification.Lease.Until.Add(-n.policy.Lease)
	var results []jobs.DeliveryResult
	var wg sync.WaitGroup
	wg.Go(func() { results = n.deliverer.deliverAll(sendCtx, j, settings, claimedAt) })
	notified, sendErr := n.send(sendCtx, j)
	wg.Wait()

	r := report{holder: holder, notified: notified, err: sendErr, results: results}
	recorded, err := n.record(ctx, j, r)
	over := jobs.NothingToDo(err) // deleted, or another notifier has taken over
	switch {
	case err == nil:
		j = recorded
	case !over:
		return fmt.Errorf("record notification: %w", err)
	}
	n.recordReceiver(ctx, j, settings, results, claimedAt)
	if over {
		slog.InfoContext(ctx, "notification attempted, but not recorded", "reason", err)
		return nil
	}
	for _, res := range results {
		if res.State == jobs.DeliveryPending {
			sendErr = errors.Join(sendErr, fmt.Errorf("webhook: %s", res.Attempt.Error))
		}
	}
	if sendErr == nil && j.DeliveriesPending() {
		sendErr = errors.New("webhook: postponed, because others of the user are slow")
	}
	outcome := j.Notification.Outcome
	slog.InfoContext(ctx, "notification attempted", "outcome", outcome, "attempt", j.Notification.Attempts, "notified", notified, "error", sendErr)
	if outcome == "" {
		return sendErr
	}
	return nil
}

// claim leases the notification of a job and adds the deliveries to webhooks that the job
// lacks. It also returns the settings of the owner.
func (n *Notifier) claim(ctx context.Context, jobID, holder string) (jobs.Job, webhooks.Settings, error) {
	j, err := n.jobs.Get(ctx, jobID)
	if err != nil {
		return jobs.Job{}, webhooks.Settings{}, err
	}
	settings, err := n.settings.Get(ctx, j.Owner)
	if err != nil && !errors.Is(err, webhooks.ErrNotFound) {
		return jobs.Job{}, webhooks.Settings{}, err
	}
	j, err = n.jobs.Update(ctx, jobID, func(j *jobs.Job) error {
		now := n.jobs.Now()
		if err := j.ClaimNotification(n.policy, holder, now); err != nil {
			return err
		}
		j.OpenDeliveries(n.deliverer.deliveries(*j, settings), now)
		return nil
	})
	return j, settings, err
}

// send uses the channels that are not done yet and returns all that are done. A
// channel that fails does not affect the others. It stops when ctx ends.
func (n *Notifier) send(ctx context.Context, j jobs.Job) (done []string, err error) {
	done = j.Notification.Notified
	for _, c := range n.channels {
		if slices.Contains(done, c.Name()) {
			continue
		}
		if ctx.Err() != nil {
			return done, errors.Join(err, ctx.Err())
		}
		sendErr := c.Notify(ctx, j)
		var permanent Permanent
		var skipped Skipped
		switch {
		case sendErr == nil:
			notifications.WithLabelValues(c.Name(), "sent").Inc()
			done = append(done, c.Name())
		case errors.As(sendErr, &skipped):
			notifications.WithLabelValues(c.Name(), skipped.Result).Inc()
			slog.WarnContext(ctx, "notification skipped", "channel", c.Name(), "reason", skipped.Result)
			done = append(done, c.Name())
		case errors.As(sendErr, &permanent):
			notifications.WithLabelValues(c.Name(), "rejected").Inc()
			slog.WarnContext(ctx, "notification rejected", "channel", c.Name(), "error", sendErr)
			done = append(done, c.Name())
		default:
			notifications.WithLabelValues(c.Name(), "failed").Inc()
			err = errors.Join(err, fmt.Errorf("%s: %w", c.Name(), sendErr))
		}
	}
	return done, err
}

// report is what a notifier has done.
type report struct {
	holder   string
	notified []string // channels that are done
	err      error    // of other channels
	results  []jobs.DeliveryResult
}

// record stores what has been done and returns the record, even if the source has closed
// the request.
func (n *Notifier) record(ctx context.Context, j jobs.Job, r report) (jobs.Job, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return n.jobs.Update(ctx, j.ID, func(j *jobs.Job) error {
		now := n.jobs.Now()
		if err := j.RecordDeliveries(r.holder, r.results, n.period, now); err != nil {
			return err
		}
		outcome, notified := n.outcome(j, r, now)
		return j.RecordNotification(n.policy, r.holder, notified, outcome, now)
	})
}

// outcome returns the outcome of the channels, "" if they are retried, and which are done.
// After the period, those that failed are done too.
func (n *Notifier) outcome(j *jobs.Job, r report, now time.Time) (outcome string, notified []string) {
	delivered := slices.ContainsFunc(j.Deliveries, func(d jobs.Delivery) bool { return d.State != jobs.DeliveryFailed })
	switch {
	case r.err != nil && now.Before(j.FinishedAt.Add(n.period)):
		return "", r.notified
	case r.err != nil:
		notified = slices.Clone(r.notified)
		for _, c := range n.channels {
			if !slices.Contains(notified, c.Name()) {
				notified = append(notified, c.Name())
			}
		}
		return jobs.NotificationGaveUp, notified
	case len(r.notified) > 0 || delivered:
		return jobs.NotificationSent, r.notified
	case len(j.Deliveries) > 0:
		return jobs.NotificationGaveUp, r.notified
	}
	return jobs.NotificationOff, r.notified
}
