package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// bench is what the steps share: the cluster, a signed-in user, a place for files.
type bench struct {
	config
	cluster *cluster
	client  *client
	dir     string
	report  *report
	bare    float64 // videos per second without a cluster
}

func newBench(ctx context.Context, cfg config) (*bench, error) {
	if cfg.ingress == "" {
		return nil, errors.New("no ingress: set MP3_INGRESS to its address, as http://127.0.0.1:30080")
	}
	dir, err := os.MkdirTemp("", "mp3converter-e2e-")
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &bench{
		config: cfg, cluster: c, client: newClient(cfg.ingress, cfg.host), dir: dir,
		report: &report{
			Began:   time.Now().UTC(),
			Machine: fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
			Figures: map[string]float64{},
		},
	}, nil
}

func (b *bench) close() {
	b.cluster.close()
	os.RemoveAll(b.dir)
}

// figure notes a measurement.
func (b *bench) figure(name string, value float64) {
	b.report.Figures[name] = value
	fmt.Printf("   %s: %.3g\n", name, value)
}

// user makes sure that there is a signed-in user.
func (b *bench) user(ctx context.Context) error {
	if b.client.token != "" {
		return nil
	}
	if err := b.client.register(ctx); err != nil {
		return err
	}
	return b.client.login(ctx)
}

// poll calls check until it says yes. What it last said no with is in the error.
func poll(ctx context.Context, every time.Duration, check func() (bool, error)) error {
	ticker := time.NewTicker(every)
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
