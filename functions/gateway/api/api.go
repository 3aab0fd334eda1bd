// Package api is the public face of the service: it takes uploads, tells how
// jobs stand and hands out MP3s. It neither converts nor keeps anything itself;
// it writes to the media store, the job records and the queue, in that order.
package api

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"mp3converter/functions/gateway/page"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
	"mp3converter/shared/token"
)

// Config bounds what the gateway takes on.
type Config struct {
	MaxUpload  int64         `envconfig:"MAX_UPLOAD_BYTES" default:"5368709120"` // bytes of one file
	MaxUploads int64         `envconfig:"MAX_UPLOADS" default:"16"`              // uploads at the same time; each takes some 10 MB
	Stall      time.Duration `envconfig:"STALL_TIMEOUT" default:"60s"`           // silence after which a transfer is given up
	Policy     jobs.Policy
}

// Validate names the variable that makes no sense.
func (c Config) Validate() error {
	switch {
	case c.MaxUpload < 1:
		return errors.New("MAX_UPLOAD_BYTES must be positive")
	case c.MaxUploads < 1:
		return errors.New("MAX_UPLOADS must be positive")
	case c.Stall < time.Second:
		return errors.New("STALL_TIMEOUT must be at least 1s")
	}
	return c.Policy.Validate()
}

//go:embed openapi.yaml
var openAPI embed.FS

// Gateway serves the public API. It is safe for concurrent use.
type Gateway struct {
	Config Config
	Keys   token.Keys
	Jobs   jobs.Store
	Videos media.Store
	Audio  media.Store
	Queue  queue.Publisher
	Auth   http.Handler // answers /login and /register

	uploads *semaphore.Weighted
}

// Handler returns the gateway's routes.
func (g *Gateway) Handler() http.Handler {
	g.uploads = semaphore.NewWeighted(g.Config.MaxUploads)
	mux := http.NewServeMux()
	for pattern, h := range g.routes() {
		mux.Handle(pattern, h)
	}
	for pattern, h := range page.Routes() {
		mux.Handle(pattern, h)
	}
	return lingering(problem.Mux(mux), g.Config.Stall)
}

func (g *Gateway) routes() map[string]http.Handler {
	return map[string]http.Handler{
		// Anybody.
		"POST /login":       g.Auth,
		"POST /register":    g.Auth,
		"GET /openapi.yaml": page.Static(openAPI, "openapi.yaml", "application/yaml"),
		// Users, each for their own jobs only.
		"POST /upload":         g.signedIn(g.upload),
		"GET /jobs":            g.signedIn(g.list),
		"GET /jobs/{id}":       g.signedIn(g.show),
		"DELETE /jobs/{id}":    g.signedIn(g.remove),
		"GET /jobs/{id}/audio": g.signedIn(g.audio),
		"GET /download":        g.signedIn(g.download),
	}
}

// Ready reports whether uploads can be accepted. The queue is not asked: a job
// is accepted without it, and woken later.
func (g *Gateway) Ready(ctx context.Context) error {
	return g.Jobs.Ping(ctx)
}
