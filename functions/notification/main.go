// Command notification is the function that RabbitmqSource delivers outcomes to.
package main

import (
	"context"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/notification/notify"
	"mp3converter/shared/backends"
	"mp3converter/shared/jobs"
	"mp3converter/shared/serve"
)

type config struct {
	Serve   serve.Config
	MongoDB string `envconfig:"MONGODB_URI" required:"true"`
	Policy  jobs.Policy
	Mail    notify.MailConfig
	Webhook notify.WebhookConfig
}

func main() { serve.Main("notification", run) }

func run(ctx context.Context) error {
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	if err := cfg.Policy.Validate(); err != nil {
		return err
	}
	channels, err := notify.Channels(cfg.Mail, cfg.Webhook)
	if err != nil {
		return err
	}
	records, err := backends.OpenJobs(ctx, cfg.MongoDB)
	if err != nil {
		return err
	}
	defer records.Close()

	n := &notify.Notifier{Policy: cfg.Policy, Jobs: records, Channels: channels}
	return serve.Run(ctx, cfg.Serve, n.Handler(), records.Ping)
}
