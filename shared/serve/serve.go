// Package serve is the HTTP server of every function: limits, request log,
// metrics, health and a graceful end. It knows nothing of what is served.
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

// Config is how a function is reached.
type Config struct {
	Host string `envconfig:"HOST"`                // address to listen on; all if empty
	Port string `envconfig:"PORT" default:"8080"` // Knative sets it

	// MetricsAddr is where Prometheus finds /metrics, apart from the public
	// port. Empty turns it off.
	MetricsAddr string `envconfig:"METRICS_ADDR"`

	// Grace bounds how long requests in flight may take to end after
	// SIGTERM. The platform's own limit comes after it.
	Grace time.Duration `envconfig:"SHUTDOWN_GRACE" default:"2h"`

	LogFormat string `envconfig:"LOG_FORMAT" default:"json"`
}

// Validate names the variable that makes no sense.
func (c Config) Validate() error {
	if c.LogFormat != "json" && c.LogFormat != "text" {
		return fmt.Errorf("LOG_FORMAT must be json or text, not %q", c.LogFormat)
	}
	if c.Grace < 0 {
		return errors.New("SHUTDOWN_GRACE must not be negative")
	}
	return nil
}

// Main runs one function as a process: it sets up the log, calls run with a
// context that ends at SIGTERM or Ctrl-C, and exits with 1 if run fails. A
// second signal ends the process at once.
func Main(function string, run func(context.Context) error) {
	slog.SetDefault(logs.New(os.Stderr, os.Getenv("LOG_FORMAT"), os.Getenv("LOG_LEVEL")).With("function", function))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx); err != nil {
		slog.Error("cannot run", "error", err)
		os.Exit(1)
	}
}

// Run listens, serves h until ctx ends, lets the requests in flight finish, and
// returns. Ready answers /readyz; nil means always.
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

// Listen takes the address of cfg, so that a taken port is an error before
// anything else is begun.
func Listen(cfg Config) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(cfg.Host, cfg.Port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %s is already in use; set PORT to another one", cfg.Port)
	}
	return l, err
}

// RunListener is Run on a listener that is already there.
func RunListener(ctx context.Context, cfg Config, l net.Listener, h http.Handler, ready func(context.Context) error) error {
	failed := make(chan error, 2)
	if cfg.MetricsAddr != "" {
		m, err := net.Listen("tcp", cfg.MetricsAddr)
		if err != nil {
			l.Close()
			return fmt.Errorf("METRICS_ADDR: %w", err)
		}
		metrics := server(promhttp.Handler())
		defer metrics.Close()
		go func() { failed <- metrics.Serve(m) }()
	}
	srv := server(withHealth(observe(h), ready))
	go func() { failed <- srv.Serve(l) }()
	slog.Info("serving", "address", l.Addr().String())

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	slog.Info("draining")
	drain, cancel := context.WithTimeout(context.Background(), cfg.Grace)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		srv.Close()
		return fmt.Errorf("requests still running after %v: %w", cfg.Grace, err)
	}
	return nil
}

// server sets the limits that hold for every request. Bodies have none here: an
// upload may take hours, so whoever reads one watches over its progress.
func server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
}
