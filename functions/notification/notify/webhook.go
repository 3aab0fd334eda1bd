package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/serve"
	"mp3converter/shared/webhooks"
)

// SignatureHeader carries "sha256=" and the HMAC of the body under WEBHOOK_KEY. It is the
// signature of earlier versions, for the operator's receivers that verify it still.
const SignatureHeader = "X-Signature-256"

// WebhookConfig configures the operator's webhook, which is called for every job.
// Without a URL it is disabled.
type WebhookConfig struct {
	URL     string        `envconfig:"WEBHOOK_URL"`
	Secret  string        `envconfig:"WEBHOOK_SECRET"`                // signs messages; several during a rotation, the first is the current one
	Key     string        `envconfig:"WEBHOOK_KEY"`                   // signs the body as earlier versions did
	Timeout time.Duration `envconfig:"WEBHOOK_TIMEOUT" default:"10s"` // for one request, also to the webhooks of users
}

// Validate returns an error that names the invalid variable.
func (c WebhookConfig) Validate() error {
	if c.Timeout < minTimeout {
		return fmt.Errorf("WEBHOOK_TIMEOUT must be at least %v", minTimeout)
	}
	if _, err := webhooks.ParseSecrets(c.Secret); err != nil {
		return fmt.Errorf("WEBHOOK_SECRET: %w", err)
	}
	if c.URL == "" {
		return nil
	}
	_, err := serve.ParseURL("WEBHOOK_URL", c.URL)
	return err
}

// sign sets the headers of a message to the operator.
func (c WebhookConfig) sign(h http.Header, id string, body []byte) error {
	h.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	if c.Key != "" {
		mac := hmac.New(sha256.New, []byte(c.Key))
		mac.Write(body)
		h.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	secrets, err := webhooks.ParseSecrets(c.Secret)
	if err != nil {
		return err
	}
	return webhooks.Sign(h, secrets, id, time.Now(), body)
}
