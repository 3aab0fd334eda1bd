// Command auth is the function that stores users and issues their tokens.
package main

import (
	"context"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/auth/login"
	"mp3converter/shared/serve"
	"mp3converter/shared/token"
)

type config struct {
	Serve serve.Config
	Login login.Config
	DSN   string `envconfig:"MYSQL_DSN" required:"true"`
	Keys  string `envconfig:"TOKEN_KEYS" required:"true"`
}

func main() { serve.Main("auth", run) }

func run(ctx context.Context) error {
	var cfg config
	if err := envconfig.Process("", &cfg); err != nil {
		return err
	}
	keys, err := token.ParseKeys(cfg.Keys)
	if err != nil {
		return err
	}
	users, err := login.OpenMySQL(cfg.DSN)
	if err != nil {
		return err
	}
	defer users.Close()
	if err := users.CreateThrottle(ctx); err != nil {
		return err
	}
	// Without the database the pod must not become ready.
	if err := users.Ping(ctx); err != nil {
		return err
	}
	h, err := login.New(cfg.Login, users, keys)
	if err != nil {
		return err
	}
	return serve.Run(ctx, cfg.Serve, h, users.Ping)
}
