package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

func (s *testGateway) getJob(t testing.TB, job string) jobResponse {
	t.Helper()
	res, b := s.do(t, "GET", "/jobs/"+job, nil)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, b)
	}
	return decode[jobResponse](t, b)
}

// TestJobIsShown follows a job through its states.
func TestJobIsShown(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	if v := s.getJob(t, j.ID); v.State != jobs.Queued || v.Audio != nil || v.Error != nil || !v.FinishedAt.IsZero() {
		t.Errorf("queued: %+v", v)
	}
	s.claim(t, j.ID)
	s.update(t, j.ID, func(j *jobs.Job) error {
		j.MediaInfo = &conversion.MediaInfo{Container: "mov,mp4", Codec: "aac", Duration: 1500 * time.Millisecond, Missing: 2500 * time.Millisecond, SampleRate: 44100, Channels: 2}
		return j.Renew(s.config.Policy, "test", 42, time.Now())
	})
	v := s.getJob(t, j.ID)
	if v.State != jobs.Converting || v.Progress != 42 {
		t.Errorf("converting: %+v", v)
	}
	if want := (&sourceResponse{Container: "mov,mp4", Codec: "aac", Seconds: 1.5, Missing: 2.5, Rate: 44100, Channels: 2}); !reflect.DeepEqual(v.Source, want) {
		t.Errorf("source %+v, want %+v", v.Source, want)
	}
	j = s.complete(t, j.ID, []byte("mp3"))
	v = s.getJob(t, j.ID)
	if want := (audioResponse{j.Audio.ID, "a.mp3", 3, "/jobs/" + j.ID + "/audio"}); v.State != jobs.Done || v.Audio == nil || *v.Audio != want {
		t.Errorf("done: %+v %+v", v, v.Audio)
	}
	if v.FinishedAt.IsZero() || v.ExpiresAt.Sub(v.FinishedAt) != s.config.Policy.Retention {
		t.Errorf("finished %v, expires %v", v.FinishedAt, v.ExpiresAt)
	}
}

func TestEveryFailureIsShown(t *testing.T) {
	s := startGateway(t, nil)
	for _, why := range conversion.Failures {
		j := s.mustUpload(t, "a.mp4")
		s.claim(t, j.ID)
		s.update(t, j.ID, func(j *jobs.Job) error { return j.Fail(s.config.Policy, "test", why, time.Now()) })
		if v := s.getJob(t, j.ID); v.State != jobs.Failed || v.Error == nil || *v.Error != *why {
			t.Errorf("%s: %+v, %+v", why.Code, v, v.Error)
		}
	}
}

func TestListPages(t *testing.T) {
	s := startGateway(t, nil)
	if res, b := s.do(t, "GET", "/jobs", nil); res.StatusCode != 200 || decode[jobListResponse](t, b).Jobs == nil {
		t.Errorf("no jobs: %d %s", res.StatusCode, b)
	}
	const n = 7
	var all []string // newest first
	for range n {
		all = append([]string{s.mustUpload(t, "a.mp4").ID}, all...)
	}
	s.token = s.tokenOf(t, "bert")
	s.mustUpload(t, "not anna's.mp4")
	s.token = s.tokenOf(t, "anna")
	for limit := 1; limit <= n+1; limit++ {
		var got []string
		for before := ""; ; {
			path := fmt.Sprintf("/jobs?limit=%d", limit)
			if before != "" {
				path += "&before=" + before
			}
			_, b := s.do(t, "GET", path, nil)
			p := decode[jobListResponse](t, b)
			if len(p.Jobs) > limit {
				t.Fatalf("%d jobs in a page of %d", len(p.Jobs), limit)
			}
			for _, v := range p.Jobs {
				got = append(got, v.ID)
			}
			if before = p.Next; before == "" || len(got) > n {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(all) {
			t.Errorf("in pages of %d: %v, want %v", limit, got, all)
		}
	}
}

func TestListRejects(t *testing.T) {
	s := startGateway(t, nil)
	for _, query := range []string{"limit=0", "limit=-1", "limit=%2B5", "limit=x", "limit=1e2", "before=x", "before=../../x", "before=" + id.New() + "0"} {
		res, b := s.do(t, "GET", "/jobs?"+query, nil)
		checkProblem(t, res, b, problem.BadRequest)
	}
}

func TestWaitEndsWhenJobFinishes(t *testing.T) {
	s := startGateway(t, nil)
	for _, path := range []string{"/jobs/%s?wait=200", "/jobs/%s/audio?wait=200", "/download?fid=%s&wait=9223372037"} {
		j := s.mustUpload(t, "a.mp4")
		s.claim(t, j.ID)
		begun, finished := time.Now(), make(chan struct{})
		go func() {
			defer close(finished)
			<-time.After(300 * time.Millisecond)
			s.complete(t, j.ID, []byte("mp3"))
		}()
		res, b := s.do(t, "GET", fmt.Sprintf(path, j.ID), nil)
		<-finished
		if took := time.Since(begun); res.StatusCode != 200 || took < 300*time.Millisecond || took > 20*time.Second {
			t.Errorf("%s: %d after %v: %s", path, res.StatusCode, took, b)
		}
	}
}

func TestWaitTimesOut(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	begun := time.Now()
	res, b := s.do(t, "GET", "/jobs/"+j.ID+"?wait=1", nil)
	if took := time.Since(begun); res.StatusCode != 200 || decode[jobResponse](t, b).State != jobs.Queued || took < time.Second || took > 20*time.Second {
		t.Errorf("%d after %v: %s", res.StatusCode, took, b)
	}
	begun = time.Now()
	res, b = s.do(t, "GET", "/jobs/"+j.ID+"/audio?wait=1", nil)
	checkProblem(t, res, b, problem.NotReady)
	if took := time.Since(begun); took < time.Second {
		t.Errorf("not ready after %v", took)
	}
}

func TestWaitEndsWhenClientDisconnects(t *testing.T) {
	s := startGateway(t, nil) // fails the test if a request is still running at its end
	j := s.mustUpload(t, "a.mp4")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", s.url+"/jobs/"+j.ID+"?wait=200", nil)
	req.Header.Set("Authorization", "Bearer "+s.token)
	if res, err := s.client.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", res, err)
	}
}

func TestWaitRejects(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	for _, wait := range []string{"-1", "x", "1.5", "-99999999999999999999"} {
		res, b := s.do(t, "GET", "/jobs/"+j.ID+"?wait="+wait, nil)
		checkProblem(t, res, b, problem.BadRequest)
	}
}

func (s *testGateway) deleteJob(t testing.TB, job string) {
	t.Helper()
	if res, b := s.do(t, "DELETE", "/jobs/"+job, nil); res.StatusCode != http.StatusNoContent || len(b) > 0 {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

func (s *testGateway) checkDeleted(t testing.TB, job string) {
	t.Helper()
	res, b := s.do(t, "GET", "/jobs/"+job, nil)
	checkProblem(t, res, b, problem.JobNotFound)
	s.queue.sent = nil
	s.checkNothingLeft(t)
}

func TestDeleteErases(t *testing.T) {
	s := startGateway(t, nil)
	done := s.mustConvert(t, "a.mp4", []byte("mp3"))
	s.deleteJob(t, done.ID)
	s.checkDeleted(t, done.ID)
	res, b := s.do(t, "DELETE", "/jobs/"+done.ID, nil)
	checkProblem(t, res, b, problem.JobNotFound)

	failed := s.mustUpload(t, "b.mp4")
	s.claim(t, failed.ID)
	s.update(t, failed.ID, func(j *jobs.Job) error { return j.Fail(s.config.Policy, "test", conversion.Corrupt, time.Now()) })
	s.deleteJob(t, failed.ID)
	s.checkDeleted(t, failed.ID)
}
