package api

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// jobIn stores a job in a state.
func (s *testGateway) jobIn(t testing.TB, state jobs.State) jobs.Job {
	t.Helper()
	j := s.mustUpload(t, "a.mp4")
	switch state {
	case jobs.Queued:
		return j
	case jobs.Cancelled:
		return s.update(t, j.ID, func(j *jobs.Job) error { return j.Cancel(s.config.Policy, time.Now()) })
	}
	s.claim(t, j.ID)
	switch state {
	case jobs.Done:
		return s.complete(t, j.ID, []byte("mp3"))
	case jobs.Failed:
		return s.fail(t, j.ID, conversion.Corrupt)
	}
	return j
}

// fail fails a job like a converter.
func (s *testGateway) fail(t testing.TB, job string, f *conversion.Failure) jobs.Job {
	t.Helper()
	return s.update(t, job, func(j *jobs.Job) error { return j.Fail(s.config.Policy, "test", f, time.Now()) })
}

func (s *testGateway) cancelJob(t testing.TB, job string) (*http.Response, []byte) {
	t.Helper()
	return s.do(t, "POST", "/jobs/"+job+"/cancel", nil)
}

func TestCancel(t *testing.T) {
	for _, state := range []jobs.State{jobs.Queued, jobs.Converting} {
		t.Run(string(state), func(t *testing.T) {
			s := startGateway(t, nil)
			j := s.jobIn(t, state)
			res, b := s.cancelJob(t, j.ID)
			if v := decode[jobResponse](t, b); res.StatusCode != 200 || v.State != jobs.Cancelled || v.FinishedAt.IsZero() {
				t.Errorf("%d %s", res.StatusCode, b)
			}
			if v := s.getJob(t, j.ID); v.State != jobs.Cancelled {
				t.Errorf("the record says %+v", v)
			}
			if n := s.files(t, "videos"); n != 0 {
				t.Errorf("%d video files left", n)
			}
			if _, err := s.Jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error {
				return j.Renew(s.config.Policy, "test", 1, time.Now())
			}); !errors.Is(err, jobs.ErrLeaseLost) {
				t.Errorf("the converter's error is %v", err)
			}
		})
	}
}

// What is finished stays as it is.
func TestCancelRefused(t *testing.T) {
	s := startGateway(t, nil)
	for _, state := range []jobs.State{jobs.Done, jobs.Failed, jobs.Cancelled} {
		j := s.jobIn(t, state)
		res, b := s.cancelJob(t, j.ID)
		checkProblem(t, res, b, problem.JobFinished)
		if v := s.getJob(t, j.ID); v.State != state {
			t.Errorf("a job that is %s became %s", state, v.State)
		}
	}
	if s.files(t, "mp3") == 0 {
		t.Error("the MP3 was deleted")
	}
}

// A job that becomes ready at the moment of the click keeps its MP3.
func TestJobFinishesFirst(t *testing.T) {
	for name, c := range map[string]struct {
		method, suffix string
		status         int
		deleted        bool
	}{
		"cancel":               {"POST", "/cancel", http.StatusConflict, false},
		"delete":               {"DELETE", "", http.StatusConflict, false},
		"delete, cancel=false": {"DELETE", "?cancel=false", http.StatusConflict, false},
		"delete, cancel=true":  {"DELETE", "?cancel=true", http.StatusNoContent, true},
	} {
		t.Run(name, func(t *testing.T) {
			var store *hookedJobs
			s := startGateway(t, func(g *setup) {
				store = &hookedJobs{Store: g.Jobs}
				g.Jobs = store
			})
			j := s.jobIn(t, jobs.Converting)
			finish := func(context.Context) {
				store.beforeUpdate = nil
				s.complete(t, j.ID, []byte("mp3"))
			}
			store.beforeUpdate = finish
			res, b := s.do(t, c.method, "/jobs/"+j.ID+c.suffix, nil)
			if res.StatusCode != c.status {
				t.Fatalf("%d %s", res.StatusCode, b)
			}
			if c.deleted {
				s.checkDeleted(t, j.ID)
				return
			}
			if store.beforeUpdate != nil { // DELETE has not tried to change the job
				finish(t.Context())
			}
			if v := s.getJob(t, j.ID); v.State != jobs.Done || s.files(t, "mp3") == 0 {
				t.Errorf("the job is %+v, %d MP3 files", v, s.files(t, "mp3"))
			}
		})
	}
}

func TestDeleteUnfinished(t *testing.T) {
	for _, state := range []jobs.State{jobs.Queued, jobs.Converting} {
		t.Run(string(state), func(t *testing.T) {
			s := startGateway(t, nil)
			j := s.jobIn(t, state)
			res, b := s.do(t, "DELETE", "/jobs/"+j.ID, nil)
			checkProblem(t, res, b, problem.JobNotFinished)
			if v := s.getJob(t, j.ID); v.State != state || s.files(t, "videos") == 0 {
				t.Errorf("the job is %+v, %d video files", v, s.files(t, "videos"))
			}
			res, b = s.do(t, "DELETE", "/jobs/"+j.ID+"?cancel=yes", nil)
			checkProblem(t, res, b, problem.BadRequest)
			if res, b := s.do(t, "DELETE", "/jobs/"+j.ID+"?cancel=true", nil); res.StatusCode != http.StatusNoContent || len(b) > 0 {
				t.Errorf("%d %s", res.StatusCode, b)
			}
			s.checkDeleted(t, j.ID)
		})
	}
}

// A job whose owner retries it while it is being deleted either stays, as a whole, or is
// deleted, as a whole.
func TestDeleteWhileJobIsRetried(t *testing.T) {
	for name, c := range map[string]struct {
		suffix string
		want   problem.Kind // zero: deleted
	}{
		"delete":              {"", problem.JobNotFinished},
		"delete, cancel=true": {"?cancel=true", problem.Kind{}},
	} {
		t.Run(name, func(t *testing.T) {
			var store *hookedJobs
			s := startGateway(t, func(g *setup) {
				store = &hookedJobs{Store: g.Jobs}
				g.Jobs, g.Config.Policy.KeepFailed = store, time.Hour
			})
			j := s.jobIn(t, jobs.Converting)
			s.fail(t, j.ID, conversion.MemoryLimit)
			store.beforeUpdate = func(context.Context) {
				store.beforeUpdate = nil
				s.update(t, j.ID, func(j *jobs.Job) error { return j.RetryFailed(s.config.Policy, time.Now()) })
			}
			res, b := s.do(t, "DELETE", "/jobs/"+j.ID+c.suffix, nil)
			if c.want.Code == "" {
				if res.StatusCode != http.StatusNoContent {
					t.Errorf("%d %s", res.StatusCode, b)
				}
				s.checkDeleted(t, j.ID)
				return
			}
			checkProblem(t, res, b, c.want)
			if v := s.getJob(t, j.ID); v.State != jobs.Queued || s.files(t, "videos") == 0 {
				t.Errorf("the job is %+v, %d video files", v, s.files(t, "videos"))
			}
		})
	}
}

// An upload that is not complete is not a job yet.
func TestUploadingIsNoJob(t *testing.T) {
	s := startGateway(t, nil)
	j := jobs.Job{ID: "0123456789abcdef01234567", Owner: "anna"}
	j.BeginUpload(s.config.Policy, "", time.Now())
	if err := s.Jobs.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ method, suffix string }{{"GET", ""}, {"DELETE", ""}, {"DELETE", "?cancel=true"}, {"POST", "/cancel"}, {"POST", "/retry"}} {
		res, b := s.do(t, r.method, "/jobs/"+j.ID+r.suffix, nil)
		checkProblem(t, res, b, problem.JobNotFound)
	}
	if _, err := s.Jobs.Get(t.Context(), j.ID); err != nil {
		t.Errorf("the upload is gone: %v", err)
	}
}
