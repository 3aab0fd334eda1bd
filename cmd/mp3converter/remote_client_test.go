package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/client"
	"mp3converter/test/samples"
)

// A job that takes too long is retried and cancelled by the client package. The response to
// the request that creates it is lost, and the repeated request creates no other job.
func TestClientRetriesAndCancels(t *testing.T) {
	c := register(t, startService(t, "MAX_CONVERSION", "1s", "CONVERSIONS", "1"), "user@example.com")
	network := &losesCreated{}
	c.HTTP, c.RetryFor = &http.Client{Transport: network}, time.Minute
	video := sample(t, samples.Spec{Name: "long.m4a", Seconds: 1200, Video: "none"})
	u := client.Resumable{
		Client: c, File: bytes.NewReader(video), Size: int64(len(video)),
		Video: client.Video{Name: "long.m4a", Key: "key", Options: map[string]string{"normalize": "true", "tag": "album"}},
	}
	id, err := u.Run(t.Context())
	if err != nil || !network.lost.Load() {
		t.Fatalf("upload: %v; a response was lost: %v", err, network.lost.Load())
	}
	if jobs, err := c.Jobs(t.Context()); err != nil || len(jobs) != 1 || jobs[0].ID != id || jobs[0].Tag != "album" {
		t.Errorf("jobs %+v, %v, want one: %s", jobs, err, id)
	}
	var failed *client.JobError
	if _, err := c.Wait(t.Context(), id); !errors.As(err, &failed) || failed.Job.Error.Code != "time_limit" {
		t.Fatalf("the end of the job: %v", err)
	}
	for _, step := range []struct {
		name string
		call func() error
		want int // status; 0 means success
	}{
		{"cancel a failed job", func() error { return c.Cancel(t.Context(), id) }, http.StatusConflict},
		{"link to no MP3", func() error { _, err := c.CreateLink(t.Context(), id, time.Hour); return err }, http.StatusConflict},
		{"retry", func() error { return c.Retry(t.Context(), id) }, 0},
		{"cancel", func() error { return c.Cancel(t.Context(), id) }, 0},
		{"retry a cancelled job", func() error { return c.Retry(t.Context(), id) }, http.StatusConflict},
		{"delete", func() error { return c.Delete(t.Context(), id) }, 0},
		{"delete a deleted job", func() error { return c.Delete(t.Context(), id) }, http.StatusNotFound},
	} {
		if err := step.call(); client.StatusCode(err) != step.want || step.want == 0 && err != nil {
			t.Errorf("%s: %v, want status %d", step.name, err, step.want)
		}
	}
}

// PUBLIC_URL is another address than the client's. The client shows it, and sends it nothing.
func TestClientOfPublicURL(t *testing.T) {
	const public = "http://mp3.example.com"
	url := startService(t, "PUBLIC_URL", public)
	c := register(t, url, "user@example.com")
	c.HTTP = &http.Client{Transport: &losesCreated{}}
	c.RetryFor = time.Minute
	video := sample(t, samples.Spec{Name: "short.mp4", Seconds: 1})
	u := client.Resumable{Client: c, File: bytes.NewReader(video), Size: int64(len(video)), Video: client.Video{Name: "short.mp4", Key: "key"}}
	id, err := u.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	j, err := c.Wait(t.Context(), id)
	if err != nil || j.Audio.URL != public+"/jobs/"+id+"/audio" {
		t.Fatalf("URL of the MP3 %q, %v", j.Audio.URL, err)
	}
	var mp3 bytes.Buffer
	if err := c.Download(t.Context(), j, &mp3); err != nil || int64(mp3.Len()) != j.Audio.Bytes {
		t.Errorf("the download has %d bytes, %v, want %d", mp3.Len(), err, j.Audio.Bytes)
	}
	link, err := c.CreateLink(t.Context(), id, time.Hour)
	path, ok := strings.CutPrefix(link, public)
	if err != nil || !ok {
		t.Fatalf("link %q, %v", link, err)
	}
	if got := get(t, url+path); got != http.StatusOK {
		t.Errorf("the link: %d", got)
	}
	if err := c.RevokeLinks(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := get(t, url+path); got != http.StatusGone {
		t.Errorf("the revoked link: %d", got)
	}
}

// losesCreated sends requests to the service only, and loses the first response to one that
// creates an upload.
type losesCreated struct{ lost atomic.Bool }

func (l *losesCreated) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() != "127.0.0.1" {
		return nil, errors.New("request to " + r.URL.Host)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusCreated && r.URL.Path == "/uploads" && !l.lost.Swap(true) {
		resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

func sample(t *testing.T, spec samples.Spec) []byte {
	t.Helper()
	video, err := spec.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return video
}

// get returns the status of a request without a token.
func get(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
