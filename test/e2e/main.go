// Command e2e uses the service on a real cluster as people do, bursts and
// failures included, measures it, and writes a report. It expects that the
// service is deployed there; test/e2e/run sees to that.
//
// It talks to the ingress by host name, and to Kubernetes through kubectl.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// config says where the cluster is and how much to do.
type config struct {
	ingress string
	host    string
	report  string
	only    string
	rounds  int
	burst   int
	seconds float64
	// patience stretches the steps' time limits, for a machine that has other work.
	patience float64
}

func main() {
	var cfg config
	flag.StringVar(&cfg.ingress, "ingress", os.Getenv("MP3_INGRESS"), "address of the Knative ingress, as http://127.0.0.1:30080 (MP3_INGRESS)")
	flag.StringVar(&cfg.host, "host", "mp3converter.com", "host name of the gateway")
	flag.StringVar(&cfg.report, "report", "report", "directory for the report")
	flag.StringVar(&cfg.only, "only", "", "comma-separated names of the steps to run; all if empty")
	flag.IntVar(&cfg.rounds, "rounds", 10, "cold starts to measure")
	flag.IntVar(&cfg.burst, "burst", 60, "uploads in the burst")
	flag.Float64Var(&cfg.seconds, "seconds", 300, "length of the burst's videos")
	flag.Float64Var(&cfg.patience, "patience", 1, "factor on the time that each step may take")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

// A step is one claim about the service. What it measures, it notes in the report.
type step struct {
	name string
	what string
	do   func(context.Context, *bench) error
	time time.Duration // it must not take longer
}

// steps are in an order in which each leaves the cluster as the next expects it.
var steps = []step{
	{"rest", "nothing runs while nobody asks", rest, 4 * time.Minute},
	{"session", "the README's curl lines: a token, a job, an MP3", session, 3 * time.Minute},
	{"cold", "from zero: the first answer, and a video being worked on", cold, 20 * time.Minute},
	{"bare", "the same videos with ffmpeg alone, for comparison", bare, 10 * time.Minute},
	{"burst", "a burst from nothing: every job done, never a 5xx, and back to zero", burst, 15 * time.Minute},
	{"rollout", "a new revision of the converter in mid-burst loses nothing", rollout, 10 * time.Minute},
	{"broker", "the end of RabbitMQ's pod in mid-burst loses nothing", broker, 12 * time.Minute},
	{"large", "uploads of 1 GB and at 1 MB/s pass, and a refusal arrives", large, 10 * time.Minute},
	{"idle", "back at nothing, and what the cluster then takes", idle, 5 * time.Minute},
}

func run(ctx context.Context, cfg config) error {
	b, err := newBench(ctx, cfg)
	if err != nil {
		return err
	}
	defer b.close()
	var failed []string
	for _, s := range steps {
		if cfg.only != "" && !strings.Contains(","+cfg.only+",", ","+s.name+",") {
			continue
		}
		if err := b.step(ctx, s); err != nil {
			failed = append(failed, s.name)
		}
		if err := b.report.write(cfg.report); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// step runs one step within its time, and tells how it went.
func (b *bench) step(ctx context.Context, s step) error {
	fmt.Printf("== %s: %s\n", s.name, s.what)
	start := time.Now()
	limit := time.Duration(float64(s.time) * b.patience)
	within, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer cancel()
	err := s.do(within, b)
	if err != nil && within.Err() != nil {
		err = errors.Join(err, context.Cause(within))
	}
	took := time.Since(start)
	outcome := stepReport{Name: s.name, What: s.what, Seconds: took.Seconds(), OK: err == nil}
	if err != nil {
		outcome.Error = err.Error()
		fmt.Printf("   FAILED after %.0f s: %v\n", took.Seconds(), err)
		b.keepLogs(ctx, s.name)
	} else {
		fmt.Printf("   ok, %.0f s\n", took.Seconds())
	}
	b.report.Steps = append(b.report.Steps, outcome)
	return err
}
