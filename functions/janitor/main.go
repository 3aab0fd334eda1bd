// Command janitor looks after jobs and files once and ends: a CronJob runs it.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/janitor/sweep"
	"mp3converter/shared/backends"
	"mp3converter/shared/serve"
)

type config struct {
	Sweep    sweep.Config
	Backends backends.Config
	Tasks    string `envconfig:"TASKS" default:"wake,orphans"` // what to do, in this order
}

func main() { serve.Main("janitor", run) }

func run(ctx context.Context) error {
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	if err := cfg.Sweep.Validate(); err != nil {
		return err
	}
	b, err := backends.Open(ctx, cfg.Backends, "janitor")
	if err != nil {
		return err
	}
	defer b.Close()

	j := &sweep.Janitor{Config: cfg.Sweep, Jobs: b.Jobs, Videos: b.Videos, Audio: b.Audio, Queue: b.Queue}
	tasks := map[string]func(context.Context) (sweep.Report, error){"wake": j.Pass, "orphans": j.Orphans}
	for name := range strings.SplitSeq(cfg.Tasks, ",") {
		task, ok := tasks[strings.TrimSpace(name)]
		if !ok {
			return fmt.Errorf("TASKS: %q is neither wake nor orphans", name)
		}
		report, err := task(ctx)
		slog.Info("pass", "task", name, "did", report)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
