package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/conversion"
	"mp3converter/shared/events"
	"mp3converter/shared/jobs"
	"mp3converter/shared/serve"
)

// SignatureHeader carries "sha256=" and the HMAC of the body under WEBHOOK_KEY.
const SignatureHeader = "X-Signature-256"

// WebhookConfig configures the operator's webhook, which is called for every job.
// Without a URL it is disabled.
type WebhookConfig struct {
	URL     string        `envconfig:"WEBHOOK_URL"`
	Key     string        `envconfig:"WEBHOOK_KEY"` // signs the body; no signature if empty
	Timeout time.Duration `envconfig:"WEBHOOK_TIMEOUT" default:"10s"`
}

// Validate returns an error that names the invalid variable.
func (c WebhookConfig) Validate() error {
	if c.URL == "" {
		return nil
	}
	if c.Timeout < minTimeout {
		return fmt.Errorf("WEBHOOK_TIMEOUT must be at least %v", minTimeout)
	}
	_, err := serve.ParseURL("WEBHOOK_URL", c.URL)
	return err
}

// webhookChannel POSTs a structured CloudEvent to the operator's webhook.
type webhookChannel struct {
	config WebhookConfig
	client *http.Client
}

func (c WebhookConfig) newChannel() (Channel, error) {
	if c.URL == "" {
		return nil, nil
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: c.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // most redirects turn a POST into a GET
	}}
	return &webhookChannel{c, client}, nil
}

func (h *webhookChannel) Name() string { return "webhook" }

// eventData is the data of the event.
type eventData struct {
	Job      string              `json:"job"`
	State    jobs.State          `json:"state"`
	Owner    string              `json:"owner"`
	Name     string              `json:"name"`
	Audio    string              `json:"audio,omitempty"` // identifier of the MP3
	Bytes    int64               `json:"bytes,omitempty"` // of the MP3
	Error    *conversion.Failure `json:"error,omitempty"`
	Finished time.Time           `json:"finishedAt"`
}

// Notify POSTs one event. Its id is the job's, so that the receiver can detect a
// repetition, which follows a lost response. A 2xx status is success; 4xx other than 408
// and 429 is a permanent failure.
func (h *webhookChannel) Notify(ctx context.Context, j jobs.Job) error {
	e := events.New(events.JobFinished, "notification", j.ID)
	e.SetID(j.ID)
	e.SetTime(j.FinishedAt)
	if err := e.SetData(cloudevents.ApplicationJSON, eventData{
		j.ID, j.State, j.Owner, j.Name, j.Audio.ID, j.Audio.Size, j.Failure, j.FinishedAt,
	}); err != nil {
		return Permanent{err}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return Permanent{err}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.config.URL, bytes.NewReader(body))
	if err != nil {
		return Permanent{err}
	}
	r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	if h.config.Key != "" {
		mac := hmac.New(sha256.New, []byte(h.config.Key))
		mac.Write(body)
		r.Header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := h.client.Do(r)
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		return urlErr.Err // without the URL, which may contain a secret
	} else if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	switch s := resp.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s >= 400 && s < 500 && s != http.StatusRequestTimeout && s != http.StatusTooManyRequests:
		return Permanent{fmt.Errorf("status %s", resp.Status)}
	}
	return fmt.Errorf("status %s", resp.Status)
}
