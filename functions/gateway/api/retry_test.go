package api

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

func startKeepingGateway(t *testing.T, change func(*setup)) *testGateway {
	return startGateway(t, func(g *setup) {
		g.Config.Policy.KeepFailed = 10 * time.Minute
		if change != nil {
			change(g)
		}
	})
}

func TestRetry(t *testing.T) {
	s := startKeepingGateway(t, nil)
	j := s.jobIn(t, jobs.Converting)
	failed := s.fail(t, j.ID, conversion.TimeLimit)
	if v := s.getJob(t, j.ID); !v.RetryUntil.Equal(failed.FinishedAt.Add(10 * time.Minute)) {
		t.Errorf("the job can be retried until %v, and failed at %v", v.RetryUntil, failed.FinishedAt)
	}
	s.queue.sent = nil
	res, b := s.do(t, "POST", "/jobs/"+j.ID+"/retry", nil)
	if v := decode[jobResponse](t, b); res.StatusCode != http.StatusAccepted || v.State != jobs.Queued || v.Error != nil || !v.RetryUntil.IsZero() || !v.FinishedAt.IsZero() {
		t.Errorf("%d %s", res.StatusCode, b)
	}
	if location := res.Header.Get("Location"); location != "/jobs/"+j.ID {
		t.Errorf("Location %q", location)
	}
	if want := []string{"video " + j.ID}; !slices.Equal(s.queue.sent, want) {
		t.Errorf("woken %v, want %v", s.queue.sent, want)
	}
	res, b = s.do(t, "POST", "/jobs/"+j.ID+"/retry", nil)
	checkProblem(t, res, b, problem.JobNotFailed)
	s.claim(t, j.ID)
	if got := s.complete(t, j.ID, []byte("mp3")); got.State != jobs.Done || !got.Notification.EndedAt.IsZero() {
		t.Errorf("after the retry: %+v", got)
	}
}

func TestRetryRefused(t *testing.T) {
	s := startKeepingGateway(t, nil)
	for _, state := range []jobs.State{jobs.Queued, jobs.Converting, jobs.Done, jobs.Cancelled} {
		j := s.jobIn(t, state)
		res, b := s.do(t, "POST", "/jobs/"+j.ID+"/retry", nil)
		checkProblem(t, res, b, problem.JobNotFailed)
	}
	for name, fail := range map[string]func(job string){
		"the video's fault": func(job string) { s.fail(t, job, conversion.Corrupt) },
		"the time is over": func(job string) {
			s.fail(t, job, conversion.TimeLimit)
			s.update(t, job, func(j *jobs.Job) error { j.VideoUntil = time.Now().Add(-time.Second); return nil })
		},
	} {
		j := s.jobIn(t, jobs.Converting)
		fail(j.ID)
		res, b := s.do(t, "POST", "/jobs/"+j.ID+"/retry", nil)
		if checkProblem(t, res, b, problem.VideoGone); t.Failed() {
			t.Fatal(name)
		}
	}
}

// The video of a failed job counts against the quota, and a retry needs room for a job.
func TestRetryWithinQuota(t *testing.T) {
	s := startKeepingGateway(t, func(g *setup) { g.Config.Quota.Jobs = 1 })
	j := s.jobIn(t, jobs.Converting)
	s.fail(t, j.ID, conversion.TimeLimit)
	if u, err := s.Jobs.Usage(t.Context(), j.Owner); err != nil || u != (jobs.Usage{Bytes: j.Video.Size}) {
		t.Errorf("usage %+v, %v", u, err)
	}
	other := s.mustUpload(t, "b.mp4")
	res, b := s.do(t, "POST", "/jobs/"+j.ID+"/retry", nil)
	checkProblem(t, res, b, problem.TooManyJobs)
	s.cancelJob(t, other.ID)
	if res, b := s.do(t, "POST", "/jobs/"+j.ID+"/retry", nil); res.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

// Without the broker the job is queued all the same.
func TestRetryWithoutBroker(t *testing.T) {
	s := startKeepingGateway(t, nil)
	j := s.jobIn(t, jobs.Converting)
	s.fail(t, j.ID, conversion.TimeLimit)
	s.queue.fail = errBroken
	if res, b := s.do(t, "POST", "/jobs/"+j.ID+"/retry", nil); res.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", res.StatusCode, b)
	}
	if v := s.getJob(t, j.ID); v.State != jobs.Queued {
		t.Errorf("the job is %s", v.State)
	}
}

// A user whose quota is used up, because the operator has reduced it, cannot retry either.
func TestRetryBeyondTheQuota(t *testing.T) {
	s := startKeepingGateway(t, nil)
	j := s.jobIn(t, jobs.Converting)
	s.fail(t, j.ID, conversion.TimeLimit)
	s.config.Quota.Bytes = 1
	res, b := s.do(t, "POST", "/jobs/"+j.ID+"/retry", nil)
	checkProblem(t, res, b, problem.QuotaExceeded)
}
