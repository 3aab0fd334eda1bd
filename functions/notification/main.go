// Command notification is the function that notifies users of finished jobs.
package main

import (
	"context"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/notification/notify"
	"mp3converter/shared/backends"
	"mp3converter/shared/serve"
)

type config struct {
	Serve   serve.Config
	MongoDB string `envconfig:"MONGODB_URI" required:"true"`
	Notify  notify.Config
}

func main() { serve.Main("notification", run) }

func run(ctx context.Context) error {
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	records, settings, closeJobs, err := backends.OpenJobs(ctx, cfg.MongoDB)
	if err != nil {
		return err
	}
	defer closeJobs()

	n, err := notify.New(cfg.Notify, records, settings)
	if err != nil {
		return err
	}
	return serve.Run(ctx, cfg.Serve, n.Handler(), records.Ping)
}
