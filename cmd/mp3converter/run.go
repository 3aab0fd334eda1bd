package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/kelseyhightower/envconfig"
	"github.com/prometheus/client_golang/prometheus"

	"mp3converter/functions/auth/login"
	"mp3converter/functions/converter/worker"
	"mp3converter/functions/gateway/api"
	"mp3converter/functions/janitor/sweep"
	"mp3converter/functions/notification/notify"
	"mp3converter/shared/serve"
)

const (
	// shutdownGrace is how long uploads, downloads and conversions may continue
	// after Ctrl-C. Interrupted jobs resume at the next start.
	shutdownGrace = 8 * time.Second
	// janitorInterval is how often due jobs are processed. Jobs resume at most
	// this long after a pause, so it is short; a look at the records is cheap.
	janitorInterval = 5 * time.Second
	// orphansInterval is how often files without a job are removed.
	orphansInterval = 30 * time.Minute
)

type config struct {
	Host        string `envconfig:"HOST" default:"127.0.0.1"` // not reachable from other machines
	Port        string `envconfig:"PORT" default:"8080"`
	MetricsAddr string `envconfig:"METRICS_ADDR"`
	DataDir     string `envconfig:"DATA_DIR" default:"data"`
	User        string `envconfig:"LOCAL_USER"`  // email:password
	Keys        string `envconfig:"TOKEN_KEYS"`  // generated if empty
	Conversions int64  `envconfig:"CONVERSIONS"` // concurrent; one per core if 0

	API    api.Config
	Worker worker.Config
	Sweep  sweep.Config
	Login  login.Config
	Notify notify.Config
}

// run runs the service until ctx ends.
func run(ctx context.Context) error { return runOn(ctx, openStores) }

// runOn is run with the stores that open returns.
func runOn(ctx context.Context, open func(context.Context, config) (*stores, error)) error {
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	server := serve.Config{Host: cfg.Host, Port: cfg.Port, MetricsAddr: cfg.MetricsAddr, Grace: shutdownGrace, LogFormat: os.Getenv("LOG_FORMAT")}
	listener, err := serve.Listen(server)
	if err != nil {
		return err
	}
	unlock, err := lockDataDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer unlock()

	st, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer st.close()
	s, err := newService(ctx, cfg, st)
	if err != nil {
		return err
	}
	if cfg.MetricsAddr != "" {
		records := s.janitor.RecordMetrics()
		if err := prometheus.Register(records); err != nil {
			return err
		}
		defer prometheus.Unregister(records)
	}
	if err := s.janitor.Recover(ctx); err != nil {
		return fmt.Errorf("resume jobs: %w", err)
	}
	firstLogin, err := ensureUser(ctx, cfg, st.users)
	if err != nil {
		return err
	}
	fmt.Print(welcome(listener.Addr().String(), firstLogin))

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { st.queues.Run(ctx) })
	wg.Go(func() { runJanitor(ctx, s.janitor) })
	err = serve.RunListener(ctx, server, listener, s.gateway.Handler(), s.gateway.Ready)
	cancel() // if the server failed
	s.stopConversions()
	wg.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		slog.Warn("open connections were closed", "error", err)
		return nil
	}
	return err
}

// runJanitor runs the janitor's tasks until ctx ends.
func runJanitor(ctx context.Context, j *sweep.Janitor) {
	ticker := time.NewTicker(janitorInterval)
	defer ticker.Stop()
	var lastOrphanRun time.Time
	for {
		task := j.RunOnce
		if time.Since(lastOrphanRun) > orphansInterval {
			task, lastOrphanRun = j.RemoveOrphans, time.Now()
		}
		if report, err := task(ctx); err != nil && ctx.Err() == nil {
			slog.Error("janitor run failed", "report", report, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
