// Package api is the public HTTP API: it accepts uploads, reports the state of
// jobs and serves MP3s. It does not convert, and keeps no state of its own: an
// upload goes to the media store, the job store and the queue, in that order.
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

// Config limits the load that the gateway accepts.
type Config struct {
	MaxUpload   int64         `envconfig:"MAX_UPLOAD_BYTES" default:"5368709120"` // bytes of one file
	MaxUploads  int64         `envconfig:"MAX_UPLOADS" default:"16"`              // concurrent uploads; each needs about 10 MB of memory
	IdleTimeout time.Duration `envconfig:"STALL_TIMEOUT" default:"60s"`           // how long a transfer may pause before it is aborted
	Quota       Quota
	Policy      jobs.Policy
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	switch {
	case c.MaxUpload < 1:
		return errors.New("MAX_UPLOAD_BYTES must be positive")
	case c.MaxUploads < 1:
		return errors.New("MAX_UPLOADS must be positive")
	case c.IdleTimeout < time.Second:
		return errors.New("STALL_TIMEOUT must be at least 1s")
	}
	return errors.Join(c.Quota.Validate(), c.Policy.Validate())
}

//go:embed openapi.yaml
var openAPI embed.FS

// Deps are the services that the gateway uses. All are required.
type Deps struct {
	Keys   token.Keys // verify tokens
	Jobs   jobs.Store
	Videos media.Store
	Audio  media.Store // MP3s
	Queue  queue.Publisher
	Auth   http.Handler // serves /login and /register
}

// Gateway serves the public API. It is safe for concurrent use.
type Gateway struct {
	Deps
	config  Config
	uploads *semaphore.Weighted
}

// New returns a gateway, or an error that names the invalid variable.
func New(cfg Config, deps Deps) (*Gateway, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Gateway{Deps: deps, config: cfg, uploads: semaphore.NewWeighted(cfg.MaxUploads)}, nil
}

// Handler returns the handler of the gateway's routes.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range g.routes() {
		mux.Handle(pattern, h)
	}
	for pattern, h := range page.Routes() {
		mux.Handle(pattern, h)
	}
	return lingeringClose(problem.Mux(mux), g.config.IdleTimeout)
}

func (g *Gateway) routes() map[string]http.Handler {
	return map[string]http.Handler{
		// For everyone.
		"POST /login":       g.Auth,
		"POST /register":    g.Auth,
		"GET /openapi.yaml": page.Static(openAPI, "openapi.yaml", "application/yaml"),
		// For users, who have access to their own jobs only.
		"POST /upload":         g.requireUser(g.handleUpload),
		"GET /jobs":            g.requireUser(g.handleListJobs),
		"GET /jobs/{id}":       g.requireUser(g.handleGetJob),
		"DELETE /jobs/{id}":    g.requireUser(g.handleDeleteJob),
		"GET /jobs/{id}/audio": g.requireUser(g.handleGetAudio),
		"GET /download":        g.requireUser(g.handleDownload),
	}
}

// Ready reports whether uploads can be accepted. It does not check the queue:
// jobs are accepted without it, and the janitor sends their wake-up later.
func (g *Gateway) Ready(ctx context.Context) error {
	return g.Jobs.Ping(ctx)
}
