// Package notify tells users, and the operator's webhook, how a job ended. It is
// woken by an event and reads everything else from the job record, in which it
// also notes what has been told, so that each channel is used once per job.
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

// maxAttempts is how often telling is tried before it is given up. With the
// pauses that the record keeps between them that is half a day.
const maxAttempts = 16

var notices = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "mp3converter_notices_total",
	Help: "Attempts to tell the outcome of a job, by channel and result.",
}, []string{"channel", "result"})

// A Channel tells the outcome of a job. Tell is called again with the same job
// if it was cut short, so what it sends carries an identifier of the job. An
// error wrapped in Permanent is not worth another try.
type Channel interface {
	Name() string
	Tell(ctx context.Context, j jobs.Job) error
}

// Permanent marks an error that another attempt would only repeat.
type Permanent struct{ Err error }

func (p Permanent) Error() string { return p.Err.Error() }
func (p Permanent) Unwrap() error { return p.Err }

// Notifier serves the mp3 queue. It is safe for concurrent use.
type Notifier struct {
	Policy   jobs.Policy
	Jobs     jobs.Store
	Channels []Channel
}

// Handler answers the source of the mp3 queue:
//
//	204  told, given up, or nothing to do
//	400  not an event of ours: it belongs on the dead-letter queue
//	503  try again later
func (n *Notifier) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /", problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		job, err := events.Job(w, r, events.JobFinished)
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

// Notify tells what there is to tell of a job. A nil error means that the
// wake-up call has served its purpose.
func (n *Notifier) Notify(ctx context.Context, job string) error {
	holder := id.New()
	j, err := n.Jobs.Update(ctx, job, func(j *jobs.Job) error {
		return j.ClaimNotification(n.Policy, holder, time.Now())
	})
	switch {
	case errors.Is(err, jobs.ErrNotFinished), errors.Is(err, jobs.ErrNotificationEnded),
		errors.Is(err, jobs.ErrLeased), errors.Is(err, jobs.ErrNotFound):
		slog.InfoContext(ctx, "nothing to tell", "why", err)
		return nil
	case err != nil:
		return fmt.Errorf("begin notice: %w", err)
	}
	// Past the lease another notifier may begin.
	telling, end := context.WithTimeout(ctx, n.Policy.Lease)
	told, tellErr := n.tell(telling, j)
	end()
	outcome := "sent"
	switch {
	case tellErr != nil && j.Notification.Attempts < maxAttempts:
		outcome = "" // to be tried again
	case tellErr != nil:
		outcome = "gave_up"
	case len(told) == 0:
		outcome = "off"
	}
	// Told is told, also when the source has gone away meanwhile.
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err = n.Jobs.Update(recording, job, func(j *jobs.Job) error {
		return j.RecordNotification(n.Policy, holder, told, outcome, time.Now())
	})
	switch {
	case errors.Is(err, jobs.ErrNotFound), errors.Is(err, jobs.ErrLeaseLost):
	case err != nil:
		return fmt.Errorf("record notice: %w", err)
	}
	slog.InfoContext(ctx, "notice", "outcome", outcome, "attempt", j.Notification.Attempts, "told", told, "error", tellErr)
	if outcome == "" {
		return tellErr
	}
	return nil
}

// tell goes through the channels that have not been used yet and returns all
// that are done with. One that is out of order does not keep the others from
// being used.
func (n *Notifier) tell(ctx context.Context, j jobs.Job) (told []string, err error) {
	told = j.Notification.Notified
	for _, c := range n.Channels {
		if slices.Contains(told, c.Name()) {
			continue
		}
		failed := c.Tell(ctx, j)
		var permanent Permanent
		switch {
		case failed == nil:
			notices.WithLabelValues(c.Name(), "sent").Inc()
			told = append(told, c.Name())
		case errors.As(failed, &permanent):
			notices.WithLabelValues(c.Name(), "refused").Inc()
			slog.WarnContext(ctx, "notice refused", "channel", c.Name(), "error", failed)
			told = append(told, c.Name())
		default:
			notices.WithLabelValues(c.Name(), "failed").Inc()
			err = errors.Join(err, fmt.Errorf("%s: %w", c.Name(), failed))
		}
	}
	return told, err
}
