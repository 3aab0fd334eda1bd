// Package notify notifies users and the operator of the outcome of jobs. It is woken
// by an event and reads everything else from the job record, which also lists the
// channels that are done.
//
// Each channel is used at least once per job, and only once if nothing fails. It is
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
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/problem"
)

const (
	// maxAttempts is how often a notification is attempted. With the delays
	// between attempts this takes half a day.
	maxAttempts = 16
	// storeTimeout bounds the write of the result.
	storeTimeout = 10 * time.Second
)

var notifications = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "mp3converter_notifications_total",
	Help: "Notification attempts by channel and result.",
}, []string{"channel", "result"})

// Notifier serves the mp3 queue. It is safe for concurrent use.
type Notifier struct {
	policy   jobs.Policy
	jobs     jobs.Store
	channels []Channel
}

// New returns a notifier with the configured channels, or an error that names the
// invalid variable.
func New(cfg Config, j jobs.Store) (*Notifier, error) {
	if err := cfg.Policy.Validate(); err != nil {
		return nil, err
	}
	channels, err := cfg.channels(j)
	if err != nil {
		return nil, err
	}
	return &Notifier{policy: cfg.Policy, jobs: j, channels: channels}, nil
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
	j, err := n.jobs.Update(ctx, jobID, func(j *jobs.Job) error {
		return j.ClaimNotification(n.policy, holder, n.jobs.Now())
	})
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
	notified, sendErr := n.send(sendCtx, j)
	outcome := jobs.NotificationSent
	switch {
	case sendErr != nil && j.Notification.Attempts < maxAttempts:
		outcome = "" // retry
	case sendErr != nil:
		outcome = jobs.NotificationGaveUp
	case len(notified) == 0:
		outcome = jobs.NotificationOff
	}
	if err := n.record(ctx, jobID, holder, notified, outcome); err != nil {
		return err
	}
	slog.InfoContext(ctx, "notification attempted", "outcome", outcome, "attempt", j.Notification.Attempts, "notified", notified, "error", sendErr)
	if outcome == "" {
		return sendErr
	}
	return nil
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

// record stores the result of an attempt, even if the source has closed the request.
func (n *Notifier) record(ctx context.Context, jobID, holder string, notified []string, outcome string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_, err := n.jobs.Update(ctx, jobID, func(j *jobs.Job) error {
		return j.RecordNotification(n.policy, holder, notified, outcome, n.jobs.Now())
	})
	if err != nil && !jobs.NothingToDo(err) {
		return fmt.Errorf("record notification: %w", err)
	}
	return nil
}
