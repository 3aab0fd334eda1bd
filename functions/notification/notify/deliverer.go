package notify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
	"mp3converter/shared/webhooks"
)

// maxResponse is how many bytes of a response are read, so that its connection can be
// used again.
const maxResponse = 4 << 10

// deliverer delivers messages to webhooks. It is safe for concurrent use.
type deliverer struct {
	operator WebhookConfig
	links    *links.Links // nil without keys

	places         places
	placeTimeout   time.Duration
	operatorClient *http.Client
	userClient     *http.Client // connects to permitted addresses only
}

func newDeliverer(cfg Config) (*deliverer, error) {
	d := &deliverer{
		operator:       cfg.Webhook,
		placeTimeout:   placeTimeout,
		operatorClient: newClient(http.DefaultTransport, cfg.Webhook.Timeout),
		userClient:     newClient(cfg.Receivers.NewTransport(cfg.Webhook.Timeout), cfg.Webhook.Timeout),
	}
	if cfg.Links.Keys != "" {
		l, err := links.New(cfg.Links)
		if err != nil {
			return nil, err
		}
		d.links = &l
	}
	return d, nil
}

// newClient returns a client that follows no redirects. Most would turn the POST into a
// GET, and a signed message is for the receiver that was configured only.
func newClient(t http.RoundTripper, timeout time.Duration) *http.Client {
	return &http.Client{Transport: t, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// deliveries returns new deliveries about a job: one for each webhook that applies.
func (d *deliverer) deliveries(j jobs.Job, s webhooks.Settings) []jobs.Delivery {
	var all []jobs.Delivery
	if j.NotifyURL != "" {
		all = append(all, jobs.Delivery{ID: id.New(), Target: jobs.TargetJob})
	}
	if s.Active() {
		all = append(all, jobs.Delivery{ID: id.New(), Target: jobs.TargetUser})
	}
	// Earlier versions list the operator's webhook as a channel.
	if d.operator.URL != "" && !slices.Contains(j.Notification.Notified, "webhook") {
		all = append(all, jobs.Delivery{ID: id.New(), Target: jobs.TargetOperator})
	}
	return all
}

// deliverAll attempts the pending deliveries of a job, at the same time, and returns the
// results. Those for which there is no place remain pending without an attempt.
func (d *deliverer) deliverAll(ctx context.Context, j jobs.Job, s webhooks.Settings, start time.Time) []jobs.DeliveryResult {
	results := make([]jobs.DeliveryResult, len(j.Deliveries))
	var wg sync.WaitGroup
	for i, delivery := range j.Deliveries {
		if delivery.State != jobs.DeliveryPending {
			continue
		}
		wg.Go(func() {
			if delivery.Target != jobs.TargetOperator {
				release, ok := d.places.take(ctx, j.Owner, d.placeTimeout)
				if !ok {
					return
				}
				defer release()
			}
			results[i] = d.deliver(ctx, j, delivery, s, start)
		})
	}
	wg.Wait()
	return slices.DeleteFunc(results, func(r jobs.DeliveryResult) bool { return r.ID == "" })
}

// deliver makes one attempt, which began at start by the store's clock.
func (d *deliverer) deliver(ctx context.Context, j jobs.Job, delivery jobs.Delivery, s webhooks.Settings, start time.Time) jobs.DeliveryResult {
	began := time.Now()
	url, reason := d.receiver(j, delivery.Target, s)
	res := jobs.DeliveryResult{ID: delivery.ID, URL: url, State: jobs.DeliveryFailed, Attempt: jobs.DeliveryAttempt{At: start, Error: reason}}
	if reason == "" {
		status, err := d.post(ctx, j, delivery, url, s)
		res.Attempt.Status = status
		res.State, res.Attempt.Error = classify(status, err)
	}
	res.Attempt.Milliseconds = time.Since(began).Milliseconds()
	notifications.WithLabelValues("webhook_"+delivery.Target, string(res.State)).Inc()
	return res
}

// receiver returns the present URL of a webhook, or why there is none. It does not return
// the operator's, which must not be recorded: users can read the record.
func (d *deliverer) receiver(j jobs.Job, target string, s webhooks.Settings) (url, reason string) {
	switch {
	case target == jobs.TargetOperator && d.operator.URL == "":
		return "", "the operator's webhook has been removed"
	case target == jobs.TargetOperator:
		return "", ""
	case len(s.Secrets) == 0:
		return "", "there is no secret to sign the message with"
	case target == jobs.TargetJob:
		return j.NotifyURL, ""
	case s.URL == "":
		return "", "the webhook has been removed"
	case !s.Active():
		return s.URL, "the webhook is switched off"
	}
	return s.URL, ""
}

// post sends the message and returns the status of the response.
func (d *deliverer) post(ctx context.Context, j jobs.Job, delivery jobs.Delivery, url string, s webhooks.Settings) (int, error) {
	body, err := message(j, delivery.ID, d.links)
	if err != nil {
		return 0, err
	}
	client := d.userClient
	if delivery.Target == jobs.TargetOperator {
		url, client = d.operator.URL, d.operatorClient
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the URL is malformed") // without the URL
	}
	r.Header.Set("User-Agent", "mp3converter")
	if delivery.Target == jobs.TargetOperator {
		err = d.operator.sign(r.Header, delivery.ID, body)
	} else {
		r.Header.Set("Content-Type", "application/json")
		err = webhooks.Sign(r.Header, s.SigningSecrets(time.Now()), delivery.ID, time.Now(), body)
	}
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxResponse)
	return resp.StatusCode, nil
}
