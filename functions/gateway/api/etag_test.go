package api

import (
	"net/http"
	"testing"
	"time"

	"mp3converter/shared/jobs"
)

// A client that has the current version of a job or a list gets 304, until something
// changes.
func TestNotModified(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	paths := []string{"/jobs/" + j.ID, "/jobs", "/jobs?state=queued,converting,done"}
	known := map[string]string{}
	check := func(what string, status int) {
		t.Helper()
		for _, path := range paths {
			res, b := s.do(t, "GET", path, nil, "If-None-Match", known[path])
			if res.StatusCode != status || (len(b) == 0) != (status == http.StatusNotModified) {
				t.Errorf("%s: GET %s with If-None-Match %s: %d %s", what, path, known[path], res.StatusCode, b)
			}
			if known[path] = res.Header.Get("ETag"); known[path] == "" || res.Header.Get("Cache-Control") != "private, no-cache" {
				t.Errorf("%s: GET %s: header %v", what, path, res.Header)
			}
		}
	}
	check("nothing known", http.StatusOK)
	check("nothing changed", http.StatusNotModified)
	s.claim(t, j.ID)
	check("claimed", http.StatusOK)
	check("nothing changed", http.StatusNotModified)
	s.update(t, j.ID, func(j *jobs.Job) error { return j.Renew(s.config.Policy, "test", 50, time.Now()) })
	check("progress", http.StatusOK)
	s.complete(t, j.ID, []byte("mp3"))
	check("done", http.StatusOK)
	check("nothing changed", http.StatusNotModified)
	paths = paths[1:]
	s.mustUpload(t, "b.mp4")
	check("another job", http.StatusOK)
	check("nothing changed", http.StatusNotModified)
	s.deleteJob(t, j.ID)
	check("deleted", http.StatusOK)
}

// The position in the queue changes without the job.
func TestPositionChangesTheTag(t *testing.T) {
	s := startGateway(t, nil)
	first, second := s.mustUpload(t, "a.mp4"), s.mustUpload(t, "b.mp4")
	for _, path := range []string{"/jobs/" + second.ID, "/jobs?limit=1"} {
		res, _ := s.do(t, "GET", path, nil)
		known := res.Header.Get("ETag")
		if res, _ = s.do(t, "GET", path, nil, "If-None-Match", known); res.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	res, _ := s.do(t, "GET", "/jobs/"+second.ID, nil)
	s.claim(t, first.ID)
	res, b := s.do(t, "GET", "/jobs/"+second.ID, nil, "If-None-Match", res.Header.Get("ETag"))
	if v := decode[jobResponse](t, b); res.StatusCode != 200 || v.QueuePosition == nil || *v.QueuePosition != 0 {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

// A request that waits does so first: its tag is compared with the job after the wait.
func TestNotModifiedAfterWait(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	res, _ := s.do(t, "GET", "/jobs/"+j.ID, nil)
	queued := res.Header.Get("ETag")
	begun := time.Now()
	if res, b := s.do(t, "GET", "/jobs/"+j.ID+"?wait=1", nil, "If-None-Match", queued); res.StatusCode != http.StatusNotModified || time.Since(begun) < time.Second {
		t.Errorf("%d after %v: %s", res.StatusCode, time.Since(begun), b)
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.claim(t, j.ID)
		s.complete(t, j.ID, []byte("mp3"))
	}()
	res, b := s.do(t, "GET", "/jobs/"+j.ID+"?wait=200", nil, "If-None-Match", queued)
	<-finished
	if res.StatusCode != 200 || decode[jobResponse](t, b).State != jobs.Done {
		t.Errorf("%d %s", res.StatusCode, b)
	}
	if res, _ = s.do(t, "GET", "/jobs/"+j.ID+"?wait=200", nil, "If-None-Match", res.Header.Get("ETag")); res.StatusCode != http.StatusNotModified {
		t.Errorf("a finished job that is known: %d", res.StatusCode)
	}
}

func TestIsKnown(t *testing.T) {
	for _, c := range []struct {
		header []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{`W/"7"`}, true},
		{[]string{`"7"`}, true},
		{[]string{`W/"8"`}, false},
		{[]string{`7`}, false},
		{[]string{`"1", W/"7" ,"9"`}, true},
		{[]string{`"1"`, `W/"7"`}, true},
		{[]string{`*`}, true},
	} {
		if got := isKnown(c.header, `W/"7"`); got != c.want {
			t.Errorf("If-None-Match %q: %v, want %v", c.header, got, c.want)
		}
	}
}
