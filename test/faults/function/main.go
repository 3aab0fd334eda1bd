// Command function runs one function of a cluster, or the janitor, as its own main
// package does, with stores that crash the process where a test wants it.
package main

import (
	"context"
	"os"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/auth/login"
	"mp3converter/functions/converter/worker"
	"mp3converter/functions/gateway/api"
	"mp3converter/functions/janitor/sweep"
	"mp3converter/functions/notification/notify"
	"mp3converter/shared/backends"
	"mp3converter/shared/forwarded"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/queue"
	"mp3converter/shared/serve"
	"mp3converter/shared/token"
	"mp3converter/shared/webhooks"
	"mp3converter/test/faults/crash"
)

type config struct {
	Serve    serve.Config
	Backends backends.Config
	Keys     string `envconfig:"TOKEN_KEYS" required:"true"`
	Auth     string `envconfig:"AUTH_URL"`
	DSN      string `envconfig:"MYSQL_DSN" required:"true"`
	Tasks    string `envconfig:"TASKS"`

	API    api.Config
	Worker worker.Config
	Sweep  sweep.Config
	Login  login.Config
	Notify notify.Config
}

// stores are the wrapped stores.
type stores struct {
	control       crash.Control
	jobs          jobs.Store
	videos, audio media.Store
	queue         queue.Publisher
	webhooks      webhooks.Store
}

func main() {
	functions := map[string]func(context.Context, config, stores) error{
		"auth": auth, "gateway": gateway, "converter": converter, "notification": notification, "janitor": janitor,
	}
	name := os.Args[1]
	serve.Main(name, func(ctx context.Context) error {
		var cfg config
		if err := envconfig.Process("", &cfg); err != nil {
			return err
		}
		control, err := crash.FromEnvironment()
		if err != nil {
			return err
		}
		b, err := backends.Open(ctx, cfg.Backends, name)
		if err != nil {
			return err
		}
		defer b.Close()
		return functions[name](ctx, cfg, stores{
			control, crash.Jobs(b.Jobs, control), crash.Media("videos", b.Videos, control), crash.Media("audio", b.Audio, control), crash.Queue(b.Queue, control), b.Webhooks,
		})
	})
}

func auth(ctx context.Context, cfg config, s stores) error {
	keys, err := token.ParseKeys(cfg.Keys)
	if err != nil {
		return err
	}
	users, err := login.OpenMySQL(cfg.DSN)
	if err != nil {
		return err
	}
	defer users.Close()
	h, err := login.New(cfg.Login, users, keys)
	if err != nil {
		return err
	}
	return serve.Run(ctx, cfg.Serve, crash.Auth(h, s.control), users.Ping)
}

func gateway(ctx context.Context, cfg config, s stores) error {
	keys, err := token.ParseKeys(cfg.Keys)
	if err != nil {
		return err
	}
	authProxy, err := api.AuthProxy(cfg.Auth, keys, forwarded.Config{})
	if err != nil {
		return err
	}
	g, err := api.New(cfg.API, api.Deps{Keys: keys, Jobs: s.jobs, Videos: s.videos, Audio: s.audio, Queue: s.queue, Auth: authProxy, Webhooks: s.webhooks})
	if err != nil {
		return err
	}
	return serve.Run(ctx, cfg.Serve, g.Handler(), g.Ready)
}

func converter(ctx context.Context, cfg config, s stores) error {
	w, err := worker.New(ctx, cfg.Serve.Grace/2, cfg.Worker, s.jobs, s.videos, s.audio, s.queue)
	if err != nil {
		return err
	}
	return serve.Run(ctx, cfg.Serve, w.Handler(), s.jobs.Ping)
}

func notification(ctx context.Context, cfg config, s stores) error {
	n, err := notify.New(cfg.Notify, s.jobs, s.webhooks)
	if err != nil {
		return err
	}
	return serve.Run(ctx, cfg.Serve, n.Handler(), s.jobs.Ping)
}

func janitor(ctx context.Context, cfg config, s stores) error {
	j, err := sweep.New(cfg.Sweep, s.jobs, s.videos, s.audio, s.queue)
	if err != nil {
		return err
	}
	task := j.RunOnce
	if cfg.Tasks == "orphans" {
		task = j.RemoveOrphans
	}
	_, err = task(ctx)
	return err
}
