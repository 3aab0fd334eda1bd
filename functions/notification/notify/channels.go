package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
	"mp3converter/shared/webhooks"
)

const (
	// minTimeout is the shortest time limit of a channel.
	minTimeout = 100 * time.Millisecond
	// minPeriod leaves time for a second attempt.
	minPeriod = time.Minute
)

// A Channel notifies a user or the operator of the outcome of a job. Notify is called
// again for the same job if it was interrupted, so what it sends identifies the job.
// It ends soon after ctx does. An error wrapped in Permanent is not retried.
// Implementations are safe for concurrent use.
type Channel interface {
	Name() string
	Notify(ctx context.Context, j jobs.Job) error
}

// Permanent marks an error that every further attempt would return too.
type Permanent struct{ Err error }

func (p Permanent) Error() string { return p.Err.Error() }
func (p Permanent) Unwrap() error { return p.Err }

// Skipped means that a channel must not be used for this job. Result is the label of the
// metric.
type Skipped struct{ Result string }

func (s Skipped) Error() string { return s.Result }

// Config configures the notifier. A channel that is not configured is not used.
type Config struct {
	Policy  jobs.Policy
	Mail    MailConfig
	Webhook WebhookConfig
	Links   links.Config // for links to MP3s

	// Period is for how long a channel that fails, and a webhook, is retried.
	Period    time.Duration      `envconfig:"NOTIFICATION_PERIOD" default:"24h"`
	Receivers webhooks.Receivers // of the webhooks of users
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	if c.Period < minPeriod {
		return fmt.Errorf("NOTIFICATION_PERIOD must be at least %v", minPeriod)
	}
	return errors.Join(c.Policy.Validate(), c.Mail.Validate(), c.Webhook.Validate(), c.Receivers.Validate())
}

// channels returns the configured channels. A new channel is added here. Webhooks are
// not among them: see deliverer.
func (c Config) channels(j jobs.Store) ([]Channel, error) {
	var configured []Channel
	for _, newChannel := range []func() (Channel, error){
		func() (Channel, error) { return newMailChannel(c.Mail, c.Links, j) },
	} {
		channel, err := newChannel()
		if err != nil {
			return nil, err
		}
		if channel != nil {
			configured = append(configured, channel)
		}
	}
	return configured, nil
}
