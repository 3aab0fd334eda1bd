// Package api is the public HTTP API: it accepts uploads, reports the state of
// jobs and serves MP3s. It does not convert, and keeps no state of its own: an
// upload goes to the media store, the job store and the queue, in that order.
package api

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"

	"mp3converter/functions/gateway/page"
	"mp3converter/functions/gateway/problems"
	"mp3converter/functions/gateway/resumable"
	"mp3converter/shared/forwarded"
	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
	"mp3converter/shared/token"
	"mp3converter/shared/webhooks"
)

// Config limits the load that the gateway accepts.
type Config struct {
	MaxUpload int64 `envconfig:"MAX_UPLOAD_BYTES" default:"5368709120"` // bytes of one file

	// Requests that run at a time in this process, in all and for each user. An upload
	// takes about 10 MB of memory, a download 4 MB, and a wait reads its job every
	// second or two.
	MaxUploads       int64 `envconfig:"MAX_UPLOADS" default:"32"`
	MaxUserUploads   int64 `envconfig:"MAX_UPLOADS_PER_USER" default:"8"`
	MaxDownloads     int64 `envconfig:"MAX_DOWNLOADS" default:"64"`
	MaxUserDownloads int64 `envconfig:"MAX_DOWNLOADS_PER_USER" default:"16"`
	MaxWaits         int64 `envconfig:"MAX_WAITS" default:"256"`
	MaxUserWaits     int64 `envconfig:"MAX_WAITS_PER_USER" default:"64"`

	// TransferWait is how long an upload or a download may wait for one of those places.
	TransferWait time.Duration `envconfig:"TRANSFER_WAIT" default:"10m"`

	// A transfer that is slower than MinRate, in bytes per second, for IdleTimeout is
	// aborted.
	MinRate     int64         `envconfig:"MIN_TRANSFER_RATE" default:"4096"`
	IdleTimeout time.Duration `envconfig:"STALL_TIMEOUT" default:"60s"`

	// MinFree is how many bytes uploads leave free on the disk of the store.
	MinFree int64 `envconfig:"MIN_FREE_BYTES" default:"1073741824"`

	Clients forwarded.Config // finds their addresses
	Quota   Quota
	Policy  jobs.Policy
	Links   links.Config
	CORS    CORS

	Receivers webhooks.Receivers // of the webhooks of users
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	switch {
	case c.MaxUpload < 1:
		return errors.New("MAX_UPLOAD_BYTES must be positive")
	case c.MinFree < 0:
		return errors.New("MIN_FREE_BYTES must be at least 0")
	case c.TransferWait <= 0:
		return errors.New("TRANSFER_WAIT must be positive")
	case c.MinRate < 1:
		return errors.New("MIN_TRANSFER_RATE must be positive")
	case c.IdleTimeout < time.Second:
		return errors.New("STALL_TIMEOUT must be at least 1s")
	}
	for name, n := range map[string]int64{
		"MAX_UPLOADS": c.MaxUploads, "MAX_UPLOADS_PER_USER": c.MaxUserUploads,
		"MAX_DOWNLOADS": c.MaxDownloads, "MAX_DOWNLOADS_PER_USER": c.MaxUserDownloads,
		"MAX_WAITS": c.MaxWaits, "MAX_WAITS_PER_USER": c.MaxUserWaits,
	} {
		if n < 1 {
			return fmt.Errorf("%s must be positive", name)
		}
	}
	return errors.Join(c.Clients.Validate(), c.Quota.Validate(), c.Policy.Validate(), c.Links.Validate(), c.CORS.Validate(), c.Receivers.Validate())
}

const (
	// maxWaiting is how many uploads or downloads wait for a place; each takes about
	// 30 kB of memory.
	maxWaiting = 1024
	// maxUserWaiting is how many of them may be of one user.
	maxUserWaiting = 128
)

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

	Webhooks webhooks.Store // the settings of users
}

// Gateway serves the public API. It is safe for concurrent use.
type Gateway struct {
	Deps
	config                    Config
	links                     links.Links
	uploads, downloads, waits *pool
	keyWait                   time.Duration // keyWait, except in tests
	resumable                 *resumable.Handler
	queueReads                singleflight.Group // by owner
}

// New returns a gateway, or an error that names the invalid variable.
func New(cfg Config, deps Deps) (*Gateway, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	signer, err := links.New(cfg.Links)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		Deps:    deps,
		config:  cfg,
		links:   signer,
		keyWait: keyWait,
		uploads: newPool(poolLimits{running: cfg.MaxUploads, userRunning: cfg.MaxUserUploads,
			waiting: maxWaiting, userWaiting: maxUserWaiting, wait: cfg.TransferWait}),
		downloads: newPool(poolLimits{running: cfg.MaxDownloads, userRunning: cfg.MaxUserDownloads,
			waiting: maxWaiting, userWaiting: maxUserWaiting, wait: cfg.TransferWait}),
		waits: newPool(poolLimits{running: cfg.MaxWaits, userRunning: cfg.MaxUserWaits, wait: cfg.TransferWait}),
	}
	g.resumable, err = g.newResumable()
	return g, err
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
	return lingeringClose(g.config.CORS.wrap(problem.Mux(mux)), lingerTimeout, g.config.Clients)
}

func (g *Gateway) routes() map[string]http.Handler {
	return map[string]http.Handler{
		// For everyone.
		"POST /login":           g.Auth,
		"POST /register":        g.Auth,
		"GET /openapi.yaml":     page.Static(openAPI, "openapi.yaml", "application/yaml"),
		"GET /problems/{code}":  problems.Handler(),
		"OPTIONS /uploads":      http.HandlerFunc(g.resumable.ServeOptions),
		"OPTIONS /uploads/{id}": http.HandlerFunc(g.resumable.ServeOptions),
		// For everyone who has the link.
		"GET /links/{token}/{name}": problem.Handler(g.handleLink),
		// For users, who have access to their own jobs only.
		"POST /upload":            g.requireUser(g.handleUpload),
		"POST /uploads":           tusResponse(g.requireUser(g.handleUploads)),
		"POST /uploads/{id}":      tusResponse(g.requireUser(g.handleUploads)), // with another method in a header
		"HEAD /uploads/{id}":      tusResponse(g.requireUser(g.handleUploads)),
		"PATCH /uploads/{id}":     tusResponse(g.requireUser(g.handleUploads)),
		"DELETE /uploads/{id}":    tusResponse(g.requireUser(g.handleUploads)),
		"GET /jobs":               g.requireUser(g.handleListJobs),
		"GET /jobs/{id}":          g.requireUser(g.handleGetJob),
		"DELETE /jobs/{id}":       g.requireUser(g.handleDeleteJob),
		"GET /jobs/{id}/audio":    g.requireUser(g.handleGetAudio),
		"GET /download":           g.requireUser(g.handleDownload),
		"POST /jobs/{id}/links":   g.requireUser(g.handleCreateLink),
		"DELETE /jobs/{id}/links": g.requireUser(g.handleRevokeLinks),
		"POST /jobs/{id}/cancel":  g.requireUser(g.handleCancelJob),
		"POST /jobs/{id}/retry":   g.requireUser(g.handleRetryJob),
		// For users, who choose where messages about their jobs are sent.
		"GET /webhook":         g.requireUser(g.handleGetWebhook),
		"PUT /webhook":         g.requireUser(g.handlePutWebhook),
		"DELETE /webhook":      g.requireUser(g.handleDeleteWebhook),
		"POST /webhook/secret": g.requireUser(g.handlePostSecret),

		"GET /jobs/{id}/deliveries":                    g.requireUser(g.handleListDeliveries),
		"POST /jobs/{id}/deliveries/{delivery}/resend": g.requireUser(g.handleResend),
	}
}

// Ready reports whether uploads can be accepted. It does not check the queue:
// jobs are accepted without it, and the janitor sends their wake-up later.
func (g *Gateway) Ready(ctx context.Context) error {
	return g.Jobs.Ping(ctx)
}
