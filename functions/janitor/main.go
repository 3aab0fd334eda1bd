// Command janitor runs the tasks of the janitor once and exits. A CronJob starts it.
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
	Tasks    string `envconfig:"TASKS" default:"wake,orphans"` // in the order in which they run
	// PushgatewayURL is where metrics are pushed after each task. Disabled if empty.
	PushgatewayURL string `envconfig:"PUSHGATEWAY_URL"`
}

func main() { serve.Main("janitor", run) }

func run(ctx context.Context) error {
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	b, err := backends.Open(ctx, cfg.Backends, "janitor")
	if err != nil {
		return err
	}
	defer b.Close()

	j, err := sweep.New(cfg.Sweep, b.Jobs, b.Videos, b.Audio, b.Queue)
	if err != nil {
		return err
	}
	tasks := map[string]func(context.Context) (sweep.Report, error){"wake": j.RunOnce, "orphans": j.RemoveOrphans}
	for name := range strings.SplitSeq(cfg.Tasks, ",") {
		name = strings.TrimSpace(name)
		task, ok := tasks[name]
		if !ok {
			return fmt.Errorf("TASKS: unknown task %q, want wake or orphans", name)
		}
		report, err := task(ctx)
		slog.Info("task finished", "task", name, "report", report)
		if cfg.PushgatewayURL != "" {
			if err := j.Push(ctx, cfg.PushgatewayURL, name, report, err); err != nil {
				slog.Warn("metrics not pushed", "error", err)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
