package main

import (
	"context"
	"path/filepath"
	"runtime"
	"time"

	"mp3converter/functions/auth/login"
	"mp3converter/functions/converter/worker"
	"mp3converter/functions/gateway/api"
	"mp3converter/functions/janitor/sweep"
	"mp3converter/functions/notification/notify"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/shared/queue"
	"mp3converter/shared/queue/inprocess"
	"mp3converter/shared/webhooks"
	webhookssqlite "mp3converter/shared/webhooks/sqlite"
)

// stores are the embedded stores, and the queues, that the functions share.
type stores struct {
	jobs          jobs.Store
	videos, audio media.Store
	users         *login.Users
	queues        *inprocess.Queues
	publisher     queue.Publisher // to queues
	webhooks      webhooks.Store

	close func()
}

// openStores opens the stores in the data directory.
func openStores(ctx context.Context, cfg config) (*stores, error) {
	database := filepath.Join(cfg.DataDir, "mp3converter.db")
	records, err := sqlite.Open(database)
	if err != nil {
		return nil, err
	}
	settings, err := webhookssqlite.Open(database)
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
	queues := inprocess.New("local")
	queues.Grace = shutdownGrace
	return &stores{
		jobs: records, videos: videos, audio: audio, users: users, queues: queues, publisher: queues,
		webhooks: settings,
		close:    func() { records.Close(); settings.Close(); users.Close() },
	}, nil
}

// service holds the functions.
type service struct {
	gateway *api.Gateway
	janitor *sweep.Janitor

	stopConversions context.CancelFunc
}

func newService(ctx context.Context, cfg config, s *stores) (*service, error) {
	policy := cfg.Sweep.Policy
	// Wake-ups and attempts are cheap in one process.
	policy.WakeMax = min(policy.WakeMax, time.Minute)
	policy.RetryMax = min(policy.RetryMax, 20*time.Second)
	cfg.API.Policy, cfg.Worker.Policy, cfg.Sweep.Policy, cfg.Notify.Policy = policy, policy, policy, policy
	cfg.Worker.Conversions = cfg.Conversions
	if cfg.Conversions == 0 {
		cfg.Worker.Conversions = int64(runtime.NumCPU())
	}
	if cfg.Worker.FFmpeg.TempDir == "" {
		dir, err := makeTempDir(cfg.DataDir)
		if err != nil {
			return nil, err
		}
		cfg.Worker.FFmpeg.TempDir = dir
	}
	keys, err := tokenKeys(cfg)
	if err != nil {
		return nil, err
	}

	if cfg.API.Links.Keys, err = linkKeys(cfg); err != nil {
		return nil, err
	}
	cfg.Notify.Links = cfg.API.Links

	auth, err := login.New(cfg.Login, s.users, keys)
	if err != nil {
		return nil, err
	}
	gateway, err := api.New(cfg.API, api.Deps{Keys: keys, Jobs: s.jobs, Videos: s.videos, Audio: s.audio, Queue: s.publisher, Auth: auth, Webhooks: s.webhooks})
	if err != nil {
		return nil, err
	}
	janitor, err := sweep.New(cfg.Sweep, s.jobs, s.videos, s.audio, s.publisher)
	if err != nil {
		return nil, err
	}
	notifier, err := notify.New(cfg.Notify, s.jobs, s.webhooks)
	if err != nil {
		return nil, err
	}
	// Conversions continue for the grace time after ctx has ended.
	conversions, stop := context.WithCancel(context.WithoutCancel(ctx))
	converter, err := worker.New(conversions, 0, cfg.Worker, s.jobs, s.videos, s.audio, s.publisher)
	if err != nil {
		stop()
		return nil, err
	}
	s.queues.Handle(queue.Video, converter.Handler(), int(cfg.Worker.Conversions))
	s.queues.Handle(queue.MP3, notifier.Handler(), 2)
	return &service{gateway: gateway, janitor: janitor, stopConversions: stop}, nil
}
