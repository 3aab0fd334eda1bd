package notify

import (
	"context"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
)

// minTimeout is the shortest time limit of a channel.
const minTimeout = 100 * time.Millisecond

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
}

// channels returns the configured channels. A new channel is added here.
func (c Config) channels(j jobs.Store) ([]Channel, error) {
	var configured []Channel
	for _, newChannel := range []func() (Channel, error){
		func() (Channel, error) { return newMailChannel(c.Mail, c.Links, j) },
		c.Webhook.newChannel,
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
