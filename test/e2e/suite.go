package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// suite is shared by the steps: the cluster, a user, and a directory for files.
type suite struct {
	config
	cluster    *cluster
	user       *user
	dir        string
	report     *report
	ffmpegRate float64 // videos per second with ffmpeg alone; 0 if not measured
}

func newSuite(ctx context.Context, cfg config) (*suite, error) {
	if cfg.ingress == "" {
		return nil, errors.New("no ingress: set MP3_INGRESS to its address, such as http://127.0.0.1:30080")
	}
	dir, err := os.MkdirTemp("", "mp3converter-e2e-")
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, cfg.context)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	code, err := c.secret(ctx, "registration", "code")
	if err != nil {
		c.close()
		os.RemoveAll(dir)
		return nil, err
	}
	return &suite{
		config: cfg, cluster: c, user: newUser(cfg.ingress, cfg.host, code), dir: dir,
		report: &report{
			Began:   time.Now().UTC(),
			Machine: fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
			Figures: map[string]float64{},
		},
	}, nil
}

func (s *suite) close() {
	s.cluster.close()
	os.RemoveAll(s.dir)
}

// recordFigure prints a measurement and adds it to the report.
func (s *suite) recordFigure(name string, value float64) {
	s.report.Figures[name] = value
	fmt.Printf("   %s: %.3g\n", name, value)
}

// poll calls check until it returns true. If ctx is done first, the error includes the
// last error of check.
func poll(ctx context.Context, interval time.Duration, check func() (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		ok, err := check()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}
