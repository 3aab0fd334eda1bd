package sweep

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/test/prometheustest"
)

// What the janitor pushes is at the Pushgateway after its process has ended, and a
// failed run does not change the time of the last success.
func TestPush(t *testing.T) {
	f := newFixture(t)
	url := prometheustest.StartPushgateway(t)
	now := time.Now()
	claim := func(j *jobs.Job) {
		if err := j.Claim(policy, "w", now); err != nil {
			t.Fatal(err)
		}
	}
	f.job(t, func(j *jobs.Job) { j.CreatedAt, j.DueAt = jobs.Truncate(now.Add(-2*time.Hour)), now.Add(-time.Minute) })
	f.job(t, claim)
	f.job(t, func(j *jobs.Job) {
		claim(j)
		if err := j.Postpone(policy, "w", now); err != nil {
			t.Fatal(err)
		}
		j.NotBefore, j.DueAt = now.Add(time.Minute), now.Add(time.Minute)
	})
	f.job(t, func(j *jobs.Job) {
		claim(j)
		if err := j.Fail(policy, "w", conversion.NoAudio, now); err != nil {
			t.Fatal(err)
		}
	})
	report, err := f.RunOnce(t.Context())
	must(t, err)
	must(t, f.Push(t.Context(), url, "wake", report, nil))

	metrics := prometheustest.Get(t, url+"/metrics")
	for _, line := range []string{
		`mp3converter_jobs{instance="",job="janitor",state="queued",task="wake"} 2`,
		`mp3converter_jobs{instance="",job="janitor",state="converting",task="wake"} 1`,
		`mp3converter_jobs_paused{instance="",job="janitor",task="wake"} 1`,
		`mp3converter_jobs_finished_last_hour{instance="",job="janitor",outcome="no_audio",task="wake"} 1`,
		`mp3converter_jobs_finished_last_hour{instance="",job="janitor",outcome="done",task="wake"} 0`,
		`mp3converter_jobs_finished_last_hour{instance="",job="janitor",outcome="attempts_exhausted",task="wake"} 0`,
		`mp3converter_janitor_last_run{action="conversion_wakes",instance="",job="janitor",task="wake"} 1`,
		`mp3converter_janitor_last_run{action="expired",instance="",job="janitor",task="wake"} 0`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("not among the metrics: %s", line)
		}
	}
	if age := value(t, metrics, "mp3converter_oldest_queued_job_seconds"); !strings.HasPrefix(age, "72") {
		t.Errorf("the oldest job has an age of %s s, want 7200", age)
	}

	const success = "mp3converter_janitor_last_success_timestamp_seconds"
	before := value(t, metrics, success)
	must(t, f.Push(t.Context(), url, "wake", Report{Expired: 3}, errors.New("failed")))
	metrics = prometheustest.Get(t, url+"/metrics")
	if after := value(t, metrics, success); after != before {
		t.Errorf("the time of the last success changed from %s to %s after a failed run", before, after)
	}
	if !strings.Contains(metrics, `mp3converter_janitor_last_run{action="expired",instance="",job="janitor",task="wake"} 3`) {
		t.Error("what the failed run did is missing")
	}
}

func value(t *testing.T, metrics, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + `{.*} (.*)$`).FindStringSubmatch(metrics)
	if m == nil {
		t.Fatalf("no %s among the metrics", name)
	}
	return m[1]
}

func TestPushFails(t *testing.T) {
	f := newFixture(t)
	if err := f.Push(t.Context(), "http://127.0.0.1:1", "wake", Report{}, nil); err == nil {
		t.Error("Push to a port without a server returns no error")
	}
}

// uncountable cannot count its jobs.
type uncountable struct{ jobs.Store }

func (uncountable) Count(context.Context, time.Time, time.Time) (jobs.Counts, error) {
	return jobs.Counts{}, errAway
}

// Without the records there is an error, not zeros.
func TestRecordMetricsWithoutStore(t *testing.T) {
	f := newFixture(t)
	f.jobs = uncountable{f.jobs}
	r := prometheus.NewRegistry()
	r.MustRegister(f.RecordMetrics())
	families, err := r.Gather()
	if err == nil || !strings.Contains(err.Error(), errAway.Error()) || len(families) > 0 {
		t.Errorf("Gather: %d families, error %v; want none and the error of the store", len(families), err)
	}
}
