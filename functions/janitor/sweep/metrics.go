package sweep

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
)

const (
	// finishedWindow is how long finished jobs are counted.
	finishedWindow = time.Hour
	countTimeout   = 10 * time.Second
	pushTimeout    = 10 * time.Second
)

// The metrics of the job records. Records outlive the pods of functions, whose counters
// are lost when they scale to zero.
var (
	unfinishedDesc = prometheus.NewDesc("mp3converter_jobs", "Unfinished jobs by state.", []string{"state"}, nil)
	pausedDesc     = prometheus.NewDesc("mp3converter_jobs_paused", "Queued jobs in the pause after a failed attempt.", nil, nil)
	oldestDesc     = prometheus.NewDesc("mp3converter_oldest_queued_job_seconds", "Age of the oldest queued job; 0 if there is none.", nil, nil)
	finishedDesc   = prometheus.NewDesc("mp3converter_jobs_finished_last_hour", "Jobs that finished within the last hour, by outcome: done, or the code of the failure.", []string{"outcome"}, nil)
)

// recordMetrics reads the job records whenever it is collected.
type recordMetrics struct{ jobs jobs.Store }

// RecordMetrics returns the metrics of the job records.
func (s *Janitor) RecordMetrics() prometheus.Collector { return recordMetrics{s.jobs} }

func (recordMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{unfinishedDesc, pausedDesc, oldestDesc, finishedDesc} {
		descs <- d
	}
}

func (m recordMetrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	now := m.jobs.Now()
	counts, err := m.jobs.Count(ctx, now, now.Add(-finishedWindow))
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(unfinishedDesc, err)
		return
	}
	set := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	set(unfinishedDesc, float64(counts.Queued), string(jobs.Queued))
	set(unfinishedDesc, float64(counts.Converting), string(jobs.Converting))
	set(pausedDesc, float64(counts.Paused))
	age := 0.0
	if counts.Queued > 0 {
		age = now.Sub(counts.OldestQueued).Seconds()
	}
	set(oldestDesc, age)
	// All outcomes, so that an alert can tell none from unknown.
	outcomes := map[string]int{"": 0}
	for _, f := range conversion.Failures {
		outcomes[f.Code] = 0
	}
	for code, n := range counts.Finished {
		outcomes[code] = n
	}
	for code, n := range outcomes {
		set(finishedDesc, float64(n), cmp.Or(code, string(jobs.Done)))
	}
}

// Push sends the metrics of a task's run to a Prometheus Pushgateway: the janitor's
// process ends before anything could scrape it. runErr is the error of the run.
func (s *Janitor) Push(ctx context.Context, url, task string, r Report, runErr error) error {
	lastRun := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "mp3converter_janitor_last_run", Help: "What the last run of the task did, by action.",
	}, []string{"action"})
	for _, c := range r.counts() {
		lastRun.WithLabelValues(c.name).Set(float64(c.n))
	}
	p := push.New(url, "janitor").Grouping("task", task).Client(&http.Client{Timeout: pushTimeout}).Collector(lastRun)
	if task == "wake" {
		p.Collector(s.RecordMetrics())
	}
	if runErr == nil {
		success := prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mp3converter_janitor_last_success_timestamp_seconds", Help: "When the task last ended without an error.",
		})
		success.SetToCurrentTime()
		p.Collector(success)
	}
	// Add keeps the time of the last success if this run has none.
	if err := p.AddContext(ctx); err != nil {
		return fmt.Errorf("push metrics: %w", err)
	}
	return nil
}
