package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/auth/login"
	"mp3converter/functions/converter/worker"
	"mp3converter/functions/gateway/api"
	"mp3converter/functions/janitor/sweep"
	"mp3converter/functions/notification/notify"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media/disk"
	"mp3converter/shared/queue"
	"mp3converter/shared/queue/inprocess"
	"mp3converter/shared/serve"
)

const (
	// grace is how long uploads, downloads and conversions may go on after
	// Ctrl-C. What is cut short is resumed by the next start.
	grace = 8 * time.Second
	// lookEvery is how often the janitor passes.
	lookEvery = 15 * time.Second
	// orphansEvery is how often it looks for files without a job.
	orphansEvery = time.Hour
)

type config struct {
	Host        string `envconfig:"HOST" default:"127.0.0.1"` // other machines are let in on purpose only
	Port        string `envconfig:"PORT" default:"8080"`
	MetricsAddr string `envconfig:"METRICS_ADDR"`
	DataDir     string `envconfig:"DATA_DIR" default:"data"`
	User        string `envconfig:"LOCAL_USER"` // email:password
	Keys        string `envconfig:"TOKEN_KEYS"` // generated if empty

	API      api.Config
	Convert  worker.Config
	Sweep    sweep.Config
	Login    login.Config
	Mail     notify.MailConfig
	Webhook  notify.WebhookConfig
	Parallel int64 `envconfig:"CONVERSIONS"` // at the same time; one for each core if 0
}

// run is the service from its first to its last moment. It returns nil when it
// was asked to end.
func run(ctx context.Context) error {
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	served := serve.Config{Host: cfg.Host, Port: cfg.Port, MetricsAddr: cfg.MetricsAddr, Grace: grace, LogFormat: os.Getenv("LOG_FORMAT")}
	listener, err := serve.Listen(served)
	if err != nil {
		return err
	}
	unlock, err := lock(cfg.DataDir)
	if err != nil {
		return err
	}
	defer unlock()

	s, err := assemble(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.janitor.Recover(ctx); err != nil {
		return fmt.Errorf("resume jobs: %w", err)
	}
	credentials, err := firstUser(ctx, cfg, s.users)
	if err != nil {
		return err
	}
	fmt.Print(welcome(listener.Addr().String(), credentials))

	ctx, end := context.WithCancel(ctx)
	defer end()
	var work sync.WaitGroup
	work.Go(func() { s.queues.Run(ctx) })
	work.Go(func() { look(ctx, s.janitor) })
	err = serve.RunListener(ctx, served, listener, s.gateway.Handler(), s.gateway.Ready)
	end()    // also when it could not serve
	s.stop() // conversions have had the same time
	work.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		slog.Warn("connections were cut", "error", err)
		return nil
	}
	return err
}

// service is the wiring: who writes to what.
type service struct {
	gateway *api.Gateway
	janitor *sweep.Janitor
	queues  *inprocess.Queues
	users   *login.Users
	stop    context.CancelFunc
	close   func()
}

func assemble(ctx context.Context, cfg config) (*service, error) {
	policy := cfg.Sweep.Policy
	policy.WakeMax = min(policy.WakeMax, time.Minute) // a call costs nothing here
	cfg.API.Policy, cfg.Convert.Policy, cfg.Sweep.Policy = policy, policy, policy
	cfg.Convert.Conversions = cfg.Parallel
	if cfg.Parallel == 0 {
		cfg.Convert.Conversions = int64(runtime.NumCPU())
	}
	if err := cfg.Sweep.Validate(); err != nil {
		return nil, err
	}
	database := filepath.Join(cfg.DataDir, "mp3converter.db")
	records, err := sqlite.Open(database)
	if err != nil {
		return nil, err
	}
	users, err := login.OpenSQLite(ctx, database)
	if err != nil {
		return nil, err
	}
	videos, err := disk.Open(filepath.Join(cfg.DataDir, "videos"))
	if err != nil {
		return nil, err
	}
	audio, err := disk.Open(filepath.Join(cfg.DataDir, "mp3"))
	if err != nil {
		return nil, err
	}
	keys, err := tokenKeys(cfg)
	if err != nil {
		return nil, err
	}
	auth, err := login.New(cfg.Login, users, keys)
	if err != nil {
		return nil, err
	}
	channels, err := notify.Channels(cfg.Mail, cfg.Webhook)
	if err != nil {
		return nil, err
	}
	queues := inprocess.New()
	queues.Grace = grace
	if cfg.Convert.FFmpeg.TempDir, err = workspace(cfg); err != nil {
		return nil, err
	}
	stopping, stop := context.WithCancel(context.WithoutCancel(ctx))
	converter, err := worker.New(stopping, cfg.Convert, records, videos, audio, queues)
	if err != nil {
		stop()
		return nil, err
	}
	gateway, err := api.New(cfg.API, api.Deps{Keys: keys, Jobs: records, Videos: videos, Audio: audio, Queue: queues, Auth: auth})
	if err != nil {
		stop()
		return nil, err
	}
	notifier := &notify.Notifier{Policy: policy, Jobs: records, Channels: channels}
	queues.Handle(queue.Video.Name, inprocess.Route{Handler: converter.Handler(), Workers: int(cfg.Convert.Conversions), Buffer: 100_000})
	queues.Handle(queue.MP3.Name, inprocess.Route{Handler: notifier.Handler(), Workers: 2, Buffer: 100_000})
	return &service{
		gateway: gateway,
		janitor: &sweep.Janitor{Config: cfg.Sweep, Jobs: records, Videos: videos, Audio: audio, Queue: queues},
		queues:  queues,
		users:   users,
		stop:    stop,
		close:   func() { records.Close(); users.Close() },
	}, nil
}

// look runs the janitor until ctx ends.
func look(ctx context.Context, j *sweep.Janitor) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var orphans time.Time
	for {
		pass := j.Pass
		if time.Since(orphans) > orphansEvery {
			pass, orphans = j.Orphans, time.Now()
		}
		if report, err := pass(ctx); err != nil && ctx.Err() == nil {
			slog.Error("janitor", "did", report, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// workspace returns the directory for MP3s in the making. Unless it is given,
// it belongs to this process alone, and what one that was killed has left there
// goes.
func workspace(cfg config) (string, error) {
	if cfg.Convert.FFmpeg.TempDir != "" {
		return cfg.Convert.FFmpeg.TempDir, nil
	}
	dir, err := filepath.Abs(filepath.Join(cfg.DataDir, "tmp"))
	if err != nil {
		return "", fmt.Errorf("DATA_DIR: %w", err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return "", fmt.Errorf("DATA_DIR: %w", err)
	}
	return dir, nil
}

// lock keeps two processes from working on the same data.
func lock(dir string) (func(), error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is in use by another process; set DATA_DIR to another directory", dir)
	}
	return func() { f.Close() }, nil
}
