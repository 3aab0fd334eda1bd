// Command gateway is the function that serves users: the API and the web page.
package main

import (
	"context"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/gateway/api"
	"mp3converter/shared/backends"
	"mp3converter/shared/serve"
	"mp3converter/shared/token"
)

type config struct {
	Serve    serve.Config
	API      api.Config
	Backends backends.Config
	Keys     string `envconfig:"TOKEN_KEYS" required:"true"`
	Auth     string `envconfig:"AUTH_URL" required:"true"`
}

func main() { serve.Main("gateway", run) }

func run(ctx context.Context) error {
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	if err := cfg.API.Validate(); err != nil {
		return err // before the stores are opened
	}
	keys, err := token.ParseKeys(cfg.Keys)
	if err != nil {
		return err
	}
	auth, err := api.AuthProxy(cfg.Auth, keys, cfg.API.Clients)
	if err != nil {
		return err
	}
	go api.WakeAuth(ctx, cfg.Auth)
	b, err := backends.Open(ctx, cfg.Backends, "gateway")
	if err != nil {
		return err
	}
	defer b.Close()

	g, err := api.New(cfg.API, api.Deps{Keys: keys, Jobs: b.Jobs, Videos: b.Videos, Audio: b.Audio, Queue: b.Queue, Auth: auth, Webhooks: b.Webhooks})
	if err != nil {
		return err
	}
	return serve.Run(ctx, cfg.Serve, g.Handler(), g.Ready)
}
