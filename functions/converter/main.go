// Command converter is the function that converts uploaded videos to MP3. The
// RabbitmqSource of the video queue calls it.
package main

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/kelseyhightower/envconfig"
	"go.uber.org/automaxprocs/maxprocs"

	"mp3converter/functions/converter/worker"
	"mp3converter/shared/backends"
	"mp3converter/shared/serve"
)

type config struct {
	Serve    serve.Config
	Convert  worker.Config
	Backends backends.Config
}

// releaseTime is how long before the end of the grace time running conversions are
// cancelled, so that their jobs can still be returned to the queue.
const releaseTime = 10 * time.Second

func main() { serve.Main("converter", run) }

func run(ctx context.Context) error {
	limitCores()
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	b, err := backends.Open(ctx, cfg.Backends, "converter")
	if err != nil {
		return err
	}
	defer b.Close()

	w, err := worker.New(ctx, cfg.Serve.Grace-min(releaseTime, cfg.Serve.Grace/2), cfg.Convert, b.Jobs, b.Videos, b.Audio, b.Queue)
	if err != nil {
		return err
	}
	return serve.Run(ctx, cfg.Serve, w.Handler(), b.Jobs.Ping)
}

// limitCores sets GOMAXPROCS, which is also the most encoders of a video, to the
// container's CPU limit. Go's own default is never below 2, and on one core, two
// encoders take a fifth more processor time than one.
func limitCores() {
	_, err := maxprocs.Set(maxprocs.RoundQuotaFunc(func(cores float64) int { return min(int(cores), runtime.NumCPU()) }))
	if err != nil {
		slog.Warn("cannot read the container's CPU limit", "error", err)
	}
}
