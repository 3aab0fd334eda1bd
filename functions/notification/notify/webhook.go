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
)

// SignatureHeader carries "sha256=" and the HMAC of the body under WEBHOOK_KEY.
const SignatureHeader = "X-Signature-256"

// WebhookConfig is an address of the operator's that is told of every job.
// Without a URL there is none.
type WebhookConfig struct {
	URL     string        `envconfig:"WEBHOOK_URL"`
	Key     string        `envconfig:"WEBHOOK_KEY"` // signs what is sent; empty signs nothing
	Timeout time.Duration `envconfig:"WEBHOOK_TIMEOUT" default:"10s"`
}

// Validate names the variable that makes no sense.
func (c WebhookConfig) Validate() error {
	if c.URL == "" {
		return nil
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("WEBHOOK_URL must be an http or https address")
	}
	return nil
}

// Webhook tells the operator's address by a structured CloudEvent. It is safe
// for concurrent use.
type Webhook struct {
	config WebhookConfig
	client *http.Client
}

// NewWebhook returns the channel.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: cfg.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // most turn a POST into a GET, which tells nobody anything
	}}
	return &Webhook{cfg, client}, nil
}

func (h *Webhook) Name() string { return "webhook" }

// outcome is the event's data.
type outcome struct {
	Job      string              `json:"job"`
	State    jobs.State          `json:"state"`
	Owner    string              `json:"owner"`
	Name     string              `json:"name"`
	Audio    string              `json:"audio,omitempty"` // identifier of the MP3
	Bytes    int64               `json:"bytes,omitempty"` // of the MP3
	Error    *conversion.Failure `json:"error,omitempty"`
	Finished time.Time           `json:"finishedAt"`
}

// Tell POSTs one event, whose id is the job's. Any 2xx answer is receipt; other
// 4xx answers than 408 and 429 are final.
func (h *Webhook) Tell(ctx context.Context, j jobs.Job) error {
	e := events.New(events.JobFinished, "notification", j.ID)
	e.SetID(j.ID)
	e.SetTime(j.FinishedAt)
	if err := e.SetData(cloudevents.ApplicationJSON, outcome{
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
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err // without the address, which may hold a secret
	} else if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	switch s := resp.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s >= 400 && s < 500 && s != http.StatusRequestTimeout && s != http.StatusTooManyRequests:
		return Permanent{fmt.Errorf("answered %s", resp.Status)}
	}
	return fmt.Errorf("answered %s", resp.Status)
}
