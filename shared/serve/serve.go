// Package serve is the HTTP server of every function: limits, request log, metrics,
// health checks and graceful shutdown.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mp3converter/shared/logs"
)

// Config configures the server.
type Config struct {
	Host string `envconfig:"HOST"`                // address to listen on; all interfaces if empty
	Port string `envconfig:"PORT" default:"8080"` // set by Knative

	// MetricsAddr is the address of the metrics server, separate from the
	// public port. Disabled if empty.
	MetricsAddr string `envconfig:"METRICS_ADDR"`

	// Grace bounds how long requests in progress may continue after SIGTERM.
	// The platform's own limit applies too.
	Grace time.Duration `envconfig:"SHUTDOWN_GRACE" default:"2h"`

	// LogFormat is validated here; Main has read LOG_FORMAT before.
	LogFormat string `envconfig:"LOG_FORMAT" default:"json"`
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	if c.LogFormat != "json" && c.LogFormat != "text" {
		return fmt.Errorf("LOG_FORMAT must be json or text, not %q", c.LogFormat)
	}
	if c.Grace < 0 {
		return errors.New("SHUTDOWN_GRACE must not be negative")
	}
	return nil
}

// Main runs one of the service's functions as a process: it sets up the log under the
// given name, calls run with a context that ends at SIGTERM or Ctrl-C, and exits with
// status 1 if run fails. A second signal kills the process.
func Main(name string, run func(context.Context) error) {
	slog.SetDefault(logs.New(os.Stderr, os.Getenv("LOG_FORMAT"), os.Getenv("LOG_LEVEL")).With("function", name))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx); err != nil {
		slog.Error("exiting", "error", err)
		os.Exit(1)
	}
}

// Run listens and serves h until ctx ends, then waits for the requests in progress.
// /readyz reports whether ready returns nil; a nil ready means always ready.
func Run(ctx context.Context, cfg Config, h http.Handler, ready func(context.Context) error) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	l, err := Listen(cfg)
	if err != nil {
		return err
	}
	return RunListener(ctx, cfg, l, h, ready)
}

// Listen listens on the address of cfg. Call it before starting anything else, so that
// a port in use is reported first.
func Listen(cfg Config) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(cfg.Host, cfg.Port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %s is already in use; set PORT to another one", cfg.Port)
	}
	return l, err
}

// RunListener is Run with an existing listener.
func RunListener(ctx context.Context, cfg Config, l net.Listener, h http.Handler, ready func(context.Context) error) error {
	serveErr := make(chan error, 2)
	if cfg.MetricsAddr != "" {
		m, err := net.Listen("tcp", cfg.MetricsAddr)
		if err != nil {
			l.Close()
			return fmt.Errorf("METRICS_ADDR: %w", err)
		}
		metrics := newServer(promhttp.Handler())
		defer metrics.Close()
		go func() { serveErr <- metrics.Serve(m) }()
	}
	srv := newServer(withHealth(logRequests(h), ready))
	go func() { serveErr <- srv.Serve(l) }()
	slog.Info("serving", "address", l.Addr().String())

	select {
	case err := <-serveErr:
		return err
	case <-ctx.Done():
	}
	slog.Info("draining")
	drain, cancel := context.WithTimeout(context.Background(), cfg.Grace)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		srv.Close()
		return fmt.Errorf("requests still in progress after %v: %w", cfg.Grace, err)
	}
	return nil
}

// newServer returns a server with the limits for all requests. A handler that reads a
// long body, such as an upload, sets the read deadline of its own. The limits end when
// the body has been read; a handler may then work for any time.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // header and body
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
}
