package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
	"mp3converter/shared/token"
	"mp3converter/shared/webhooks"
)

// deliveryResponse is a message about a job as its owner sees it.
type deliveryResponse struct {
	ID        string             `json:"id"`
	Target    string             `json:"target"`
	URL       string             `json:"url,omitempty"` // of the latest attempt
	State     jobs.DeliveryState `json:"state"`
	CreatedAt time.Time          `json:"createdAt"`
	Attempts  int                `json:"attempts"`
	NextAt    time.Time          `json:"nextAttemptAt,omitzero"` // not before
	Log       []attemptResponse  `json:"log"`                    // the latest attempts, the oldest first
}

type attemptResponse struct {
	At           time.Time `json:"at"`
	Status       int       `json:"status,omitempty"`
	Error        string    `json:"error,omitempty"`
	Milliseconds int64     `json:"milliseconds"`
}

func newDeliveryResponse(j jobs.Job, d jobs.Delivery) deliveryResponse {
	res := deliveryResponse{
		ID: d.ID, Target: d.Target, URL: d.URL, State: d.State, CreatedAt: d.CreatedAt, Attempts: d.Tries, Log: []attemptResponse{},
	}
	if d.State == jobs.DeliveryPending {
		res.NextAt = j.Notification.Lease.Until
	}
	for _, a := range d.Log {
		res.Log = append(res.Log, attemptResponse(a))
	}
	return res
}

// handleListDeliveries responds with the messages about a job to the user's webhooks. The
// operator's is not the user's business.
func (g *Gateway) handleListDeliveries(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.ownedJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	res := struct {
		Deliveries []deliveryResponse `json:"deliveries"`
	}{[]deliveryResponse{}}
	for _, d := range j.Deliveries {
		if d.Target != jobs.TargetOperator {
			res.Deliveries = append(res.Deliveries, newDeliveryResponse(j, d))
		}
	}
	return writeJSON(w, http.StatusOK, res)
}

// handleResend lets a message be delivered again. The receiver knows it by its id.
func (g *Gateway) handleResend(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.ownedJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	d, err := g.resendable(r.Context(), j, r.PathValue("delivery"))
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context())
	j, err = g.Jobs.Update(ctx, j.ID, func(j *jobs.Job) error {
		return j.Resend(g.config.Policy, d.ID, g.Jobs.Now())
	})
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return problem.JobNotFound
	case errors.Is(err, jobs.ErrNoDelivery), errors.Is(err, jobs.ErrNotFinished): // the job was retried meanwhile
		return problem.DeliveryNotFound
	case err != nil:
		return problem.Unavailable.WithCause(err)
	}
	ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
	defer cancel()
	if err := g.Queue.Wake(ctx, queue.MP3, j.ID); err != nil {
		slog.WarnContext(ctx, "resend without a wake-up; the janitor will send it", "error", err)
	}
	i := slices.IndexFunc(j.Deliveries, func(other jobs.Delivery) bool { return other.ID == d.ID })
	return writeJSON(w, http.StatusAccepted, newDeliveryResponse(j, j.Deliveries[i]))
}

// resendable returns a delivery of the user's that has a receiver.
func (g *Gateway) resendable(ctx context.Context, j jobs.Job, deliveryID string) (jobs.Delivery, error) {
	i := slices.IndexFunc(j.Deliveries, func(d jobs.Delivery) bool { return d.ID == deliveryID && d.Target != jobs.TargetOperator })
	if i < 0 {
		return jobs.Delivery{}, problem.DeliveryNotFound
	}
	s, err := g.Webhooks.Get(ctx, j.Owner)
	switch {
	case err != nil && !errors.Is(err, webhooks.ErrNotFound):
		return jobs.Delivery{}, problem.Unavailable.WithCause(err)
	case len(s.Secrets) == 0, j.Deliveries[i].Target == jobs.TargetUser && !s.Active():
		return jobs.Delivery{}, problem.WebhookOff
	}
	return j.Deliveries[i], nil
}
