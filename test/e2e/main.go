// Command e2e tests and measures the service on a real cluster, under bursts and
// failures, and writes a report. The service must be deployed; test/e2e/run deploys
// it first.
//
// Requests are sent to the ingress with the gateway's host name. Kubernetes is
// accessed through kubectl.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// config holds the command-line flags.
type config struct {
	ingress string
	context string
	host    string
	report  string
	only    string
	release bool
	skip    string
	rounds  int
	burst   int
	seconds float64
	// deletions is how long pods are deleted at random.
	deletions time.Duration
	// timeoutFactor extends the timeouts of the steps on a busy machine.
	timeoutFactor float64
}

func main() {
	var cfg config
	flag.StringVar(&cfg.ingress, "ingress", os.Getenv("MP3_INGRESS"), "address of the Knative ingress, such as http://127.0.0.1:30080 (MP3_INGRESS)")
	flag.StringVar(&cfg.context, "context", os.Getenv("MP3_E2E_CONTEXT"), "name of the current context of kubectl, to confirm that pods of that cluster may be deleted (MP3_E2E_CONTEXT)")
	flag.StringVar(&cfg.host, "host", "mp3converter.com", "host name of the gateway")
	flag.StringVar(&cfg.report, "report", "report", "directory for the report")
	flag.StringVar(&cfg.only, "only", "", "comma-separated names of the steps to run")
	flag.BoolVar(&cfg.release, "release", false, "also run the steps that are run before a release; the last one removes the service with all data")
	flag.StringVar(&cfg.skip, "skip", "", "comma-separated names of steps to leave out")
	flag.IntVar(&cfg.rounds, "rounds", 10, "number of cold starts to measure")
	flag.IntVar(&cfg.burst, "burst", 60, "number of uploads in the burst")
	flag.Float64Var(&cfg.seconds, "seconds", 300, "duration of the burst's videos")
	flag.DurationVar(&cfg.deletions, "deletions", 2*time.Minute, "how long pods are deleted at random")
	flag.Float64Var(&cfg.timeoutFactor, "timeout-factor", 1, "factor for the timeout of each step, for a busy machine")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

// occasion says when a step runs.
type occasion string

const (
	always  occasion = ""
	release occasion = "before a release" // with -release, or if it is named
)

// step tests one property of the service.
type step struct {
	name        string
	runs        occasion
	description string
	run         func(context.Context, *suite) error
	timeout     time.Duration
}

// steps run in this order. Each expects the state in which the previous one leaves
// the cluster.
var steps = []step{
	{"rest", always, "no function runs before the first request", checkNoPods, 4 * time.Minute},
	{"session", always, "the curl session of the README", runSession, 3 * time.Minute},
	{"images", release, "the same source in another directory gives the deployed images", checkImages, 10 * time.Minute},
	{"gridfs", always, "mongofiles and Python read and replace an MP3 in GridFS", runGridFS, 3 * time.Minute},
	{"resume", always, "a resumable upload goes on when the gateway's pod is killed", runResume, 5 * time.Minute},
	{"webhook", always, "a receiver in the cluster accepts the signed message about a job", runWebhook, 6 * time.Minute},
	{"console", always, "RabbitMQ's management console by its host name, with message counts", runConsole, 2 * time.Minute},
	{"address", always, "clients are told apart by their addresses, which they cannot choose", runAddresses, 4 * time.Minute},
	{"policies", always, "each pod reaches the services that it needs, and no others", runPolicies, 6 * time.Minute},
	{"cold", always, "cold starts of the gateway and the converter", runColdStarts, 20 * time.Minute},
	{"bare", always, "the burst's videos with ffmpeg alone, for comparison", runFFmpegAlone, 10 * time.Minute},
	{"burst", always, "a burst from zero: every job is done, no 5xx, and back to zero", runBurst, 15 * time.Minute},
	{"turns", always, "a user's first video does not wait for another user's queue", runTurns, 10 * time.Minute},
	{"rollout", always, "a new revision of the converter during a burst loses no job", runRollout, 10 * time.Minute},
	{"broker", always, "deleting RabbitMQ's pod during a burst loses no job", runBrokerFailure, 12 * time.Minute},
	{"replicas", always, "three replicas of RabbitMQ lose a leader, a follower and a volume, but no job", runReplicas, 20 * time.Minute},
	{"deletions", release, "deleting pods of every kind at random loses no accepted job", runDeletions, 25 * time.Minute},
	{"drain", release, "draining the node loses no accepted job", runDrain, 12 * time.Minute},
	{"flask", always, "the commands of docs/flask.md", runFlask, 5 * time.Minute},
	{"operations", release, "the commands of docs/operations.md", runOperations, 5 * time.Minute},
	{"monitoring", release, "Prometheus, configured from knative/monitoring, has the metrics of the alerts", runMonitoring, 5 * time.Minute},
	{"preflight", release, "make preflight finds a setting that is missing, and its command mends it", runPreflight, 2 * time.Minute},
	{"secrets", release, "the runbooks that change passwords: old ones are refused, no job is lost", runRotations, 8 * time.Minute},
	{"removal", release, "deleting the manifests and deploying again keeps all data", runRemoval, 8 * time.Minute},
	{"large", always, "uploads of 1 GB and at 1 MB/s succeed, and a refusal reaches the client", runUploads, 10 * time.Minute},
	{"gateways", release, "uploads while the pods of the activator and of the ingress are deleted", runGateways, 4 * time.Minute},
	{"idle", always, "all functions scale to zero; memory of the idle cluster", measureIdle, 5 * time.Minute},
	{"uninstall", release, "removing the service, as docs/flask.md describes, leaves nothing", runUninstall, 5 * time.Minute},
}

// selects reports whether the flags select a step.
func (c config) selects(s step) bool {
	contains := func(list string) bool { return slices.Contains(strings.Split(list, ","), s.name) }
	switch {
	case contains(c.skip):
		return false
	case c.only != "":
		return contains(c.only)
	}
	return s.runs == always || c.release
}

func run(ctx context.Context, cfg config) error {
	s, err := newSuite(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.close()
	var failed []string
	for _, step := range steps {
		if !cfg.selects(step) {
			continue
		}
		if err := s.runStep(ctx, step); err != nil {
			failed = append(failed, step.name)
		}
		if err := s.report.write(cfg.report); err != nil {
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

// runStep runs one step with its timeout, and prints and reports the result.
func (s *suite) runStep(ctx context.Context, step step) error {
	fmt.Printf("== %s: %s\n", step.name, step.description)
	start := time.Now()
	timeout := time.Duration(float64(step.timeout) * s.timeoutFactor)
	stepCtx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("timed out after %v", timeout))
	defer cancel()
	err := step.run(stepCtx, s)
	if err != nil && stepCtx.Err() != nil {
		err = errors.Join(err, context.Cause(stepCtx))
	}
	seconds := time.Since(start).Seconds()
	result := stepReport{Name: step.name, What: step.description, Seconds: seconds, OK: err == nil}
	if err != nil {
		result.Error = err.Error()
		fmt.Printf("   FAILED after %.0f s: %v\n", seconds, err)
		s.saveLogs(ctx, step.name)
	} else {
		fmt.Printf("   ok, %.0f s\n", seconds)
	}
	s.report.Steps = append(s.report.Steps, result)
	return err
}
