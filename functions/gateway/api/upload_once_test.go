package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// Tests of uploads with an idempotency key.

// otherVideo has the size of video.
var otherVideo = bytes.Replace(video, []byte{0xa5}, []byte{0xa6}, 1)

// send uploads a form, or a video as a raw body, with more headers.
func (s *testGateway) send(t testing.TB, target string, body any, header ...string) (*http.Response, []byte) {
	t.Helper()
	switch body := body.(type) {
	case form:
		encoded, contentType := body.encode(t)
		return s.do(t, "POST", target, bytes.NewReader(encoded), append(header, "Content-Type", contentType)...)
	case []byte:
		return s.do(t, "POST", target, bytes.NewReader(body), append(header, "Content-Type", "video/mp4")...)
	}
	return s.do(t, "POST", target, body.(io.Reader), append(header, "Content-Type", "video/mp4")...)
}

// accepted returns the job of a response.
func accepted(t testing.TB, res *http.Response, b []byte) jobResponse {
	t.Helper()
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s, want 202", res.StatusCode, b)
	}
	j := decode[jobResponse](t, b)
	if got := res.Header.Get("Location"); got != "/jobs/"+j.ID {
		t.Errorf("Location %q of job %s", got, j.ID)
	}
	return j
}

// checkOneJob checks that there is one job, with its video, that one wake-up was sent.
func (s *testGateway) checkOneJob(t testing.TB) {
	t.Helper()
	if records, files, wakes := s.records(t), s.files(t, "videos"), s.queue.count(); records != 1 || files != 2 || wakes != 1 {
		t.Errorf("%d records, %d files of videos and %d wake-ups; want 1, 2 and 1", records, files, wakes)
	}
}

// chunked hides the size of a body.
func chunked(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} }

func TestRepeatedUploadIsOneJob(t *testing.T) {
	sum := sha256.Sum256(video)
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	for name, c := range map[string]struct {
		target string
		body   func() any
		header []string
	}{
		"raw":          {"/upload?name=a.mp4&bitrate=64&tag=x", func() any { return video }, nil},
		"chunked":      {"/upload?name=a.mp4", func() any { return chunked(video) }, nil},
		"with digest":  {"/upload?name=a.mp4", func() any { return video }, []string{"Content-Digest", digest}},
		"form":         {"/upload", func() any { return form{field{"bitrate", "64"}, file{"a.mp4", video}, field{"tag", "x"}} }, nil},
		"form & query": {"/upload?bitrate=64", func() any { return form{file{"a.mp4", video}, field{"title", "x"}} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGateway(t, nil)
			header := append(slices.Clone(c.header), idempotency.Header, "k-1")
			res, b := s.send(t, c.target, c.body(), header...)
			first := accepted(t, res, b)
			if got := res.Header.Get(idempotency.ReplayedHeader); got != "" {
				t.Errorf("the first response has %s: %s", idempotency.ReplayedHeader, got)
			}
			s.claim(t, first.ID)
			header[len(header)-1] = `"k-1"` // the same key as a string
			res, b = s.send(t, c.target, c.body(), header...)
			again := accepted(t, res, b)
			if again.ID != first.ID || again.State != jobs.Converting || res.Header.Get(idempotency.ReplayedHeader) != "true" {
				t.Errorf("repeated: %+v, %s: %q", again, idempotency.ReplayedHeader, res.Header.Get(idempotency.ReplayedHeader))
			}
			s.checkOneJob(t)
		})
	}
}

func TestReusedKey(t *testing.T) {
	s := startGateway(t, nil)
	key := []string{idempotency.Header, "k"}
	res, b := s.send(t, "/upload?name=a.mp4&bitrate=64", video, key...)
	raw := accepted(t, res, b)
	formKey := []string{idempotency.Header, "form"}
	res, b = s.send(t, "/upload", form{file{"a.mp4", video}, field{"title", "x"}}, formKey...)
	accepted(t, res, b)
	sum := sha256.Sum256(otherVideo)
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	for name, c := range map[string]struct {
		target string
		body   any
		header []string
	}{
		"another video":          {"/upload?name=a.mp4&bitrate=64", otherVideo, key},
		"another video, chunked": {"/upload?name=a.mp4&bitrate=64", chunked(otherVideo), key},
		"another size":           {"/upload?name=a.mp4&bitrate=64", video[1:], key},
		"another digest":         {"/upload?name=a.mp4&bitrate=64", video, append(key, "Content-Digest", digest)},
		"another option":         {"/upload?name=a.mp4&bitrate=80", video, key},
		"one more option":        {"/upload?name=a.mp4&bitrate=64&title=x", video, key},
		"another name":           {"/upload?name=b.mp4&bitrate=64", video, key},
		"another tag":            {"/upload?name=a.mp4&bitrate=64&tag=x", video, key},
		"a form":                 {"/upload?bitrate=64", form{file{"a.mp4", otherVideo}}, key},
		"form: another video":    {"/upload", form{file{"a.mp4", otherVideo}, field{"title", "x"}}, formKey},
		"form: another name":     {"/upload", form{file{"b.mp4", video}, field{"title", "x"}}, formKey},
		"form: another option":   {"/upload", form{file{"a.mp4", video}, field{"title", "y"}}, formKey},
		"form: too small":        {"/upload", form{file{"a.mp4", video[:1000]}, field{"title", "x"}}, formKey},
		"a raw body":             {"/upload?name=a.mp4&title=x", otherVideo, formKey},
	} {
		t.Run(name, func(t *testing.T) {
			res, b := s.send(t, c.target, c.body, c.header...)
			checkProblem(t, res, b, problem.IdempotencyKeyReused)
		})
	}
	if records, wakes := s.records(t), s.queue.count(); records != 2 || wakes != 2 {
		t.Errorf("%d records, %d wake-ups, want 2", records, wakes)
	}

	res, b = s.send(t, "/upload?name=a.mp4&bitrate=64", otherVideo, append(key, "Authorization", "Bearer "+s.tokenOf(t, "ben"))...)
	if j := accepted(t, res, b); j.ID == raw.ID {
		t.Error("another user's key led to the job of this one")
	}
	s.claim(t, raw.ID)
	s.complete(t, raw.ID, []byte("mp3"))
	if res, b := s.do(t, "DELETE", "/jobs/"+raw.ID, nil); res.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", res.StatusCode, b)
	}
	res, b = s.send(t, "/upload?name=a.mp4&bitrate=64", otherVideo, key...)
	if j := accepted(t, res, b); j.ID == raw.ID || res.Header.Get(idempotency.ReplayedHeader) != "" {
		t.Errorf("the key of a deleted job is not free: %+v", j)
	}
}

// A quota that the first request has used up does not refuse the same request again.
func TestRepeatedUploadNeedsNoQuota(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.Quota = Quota{Jobs: 1, Bytes: int64(len(video)) + 10} })
	var ids []string
	for range 2 {
		res, b := s.send(t, "/upload", video, idempotency.Header, "k")
		ids = append(ids, accepted(t, res, b).ID)
	}
	if ids[0] != ids[1] {
		t.Errorf("jobs %q, want one", ids)
	}
	res, b := s.send(t, "/upload", video, idempotency.Header, "another")
	checkProblem(t, res, b, problem.TooManyJobs)
	s.checkOneJob(t)
}

// A request that has failed leaves nothing, and its key can be used for another one.
func TestFailedUploadFreesKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target string
		body   any
		change func(*setup)
		want   problem.Kind
	}{
		"option in the query":    {"/upload?bitrate=7", video, nil, problem.BadOption},
		"option before the file": {"/upload", form{field{"bitrate", "7"}, file{"a.mp4", video}}, nil, problem.BadOption},
		"option after the file":  {"/upload", form{file{"a.mp4", video}, field{"bitrate", "7"}}, nil, problem.BadOption},
		"two files":              {"/upload", form{file{"a.mp4", video}, file{"b.mp4", video}}, nil, problem.TooManyFiles},
		"no file":                {"/upload", form{field{"title", "x"}}, nil, problem.NoFile},
		"empty":                  {"/upload", chunked(nil), nil, problem.EmptyFile},
		"no video":               {"/upload", []byte("%PDF-1.7 and more"), nil, problem.UnsupportedMediaType},
		"too large":              {"/upload", chunked(append(bytes.Clone(video), make([]byte, 2<<20)...)), nil, problem.TooLarge},
		"quota":                  {"/upload", chunked(video), func(g *setup) { g.Config.Quota.Bytes = 1000 }, problem.QuotaExceeded},
		"store is away":          {"/upload", video, func(g *setup) { g.Videos = fullStore{g.Videos, 100, errBroken} }, problem.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startGateway(t, c.change)
			res, b := s.send(t, c.target, c.body, idempotency.Header, "k")
			checkProblem(t, res, b, c.want)
			s.checkNothingLeft(t)
			if c.change != nil {
				return
			}
			res, b = s.send(t, "/upload", video, idempotency.Header, "k")
			accepted(t, res, b)
			s.checkOneJob(t)
		})
	}
	t.Run("client leaves", func(t *testing.T) {
		t.Parallel()
		s := startGateway(t, nil)
		c := s.dial(t, s.authorizationHeader(), "Idempotency-Key: k", "Content-Length: 1000000")
		c.Write(video)
		waitUntil(t, "the upload has begun", func() bool { return s.files(t, "videos") > 0 })
		c.Close()
		waitUntil(t, "the key is free", func() bool { return s.records(t) == 0 })
		s.checkNothingLeft(t)
	})
}

// duplicates is how many requests are sent at once: go test -run ManyDuplicates -duplicates 1000
var duplicates = flag.Int("duplicates", 60, "equal requests at once")

// uploadUntilAccepted repeats an upload that is refused because there are too many, or
// whose response is lost.
func (s *testGateway) uploadUntilAccepted(t *testing.T, key string) (job, replayed string) {
	for t.Context().Err() == nil {
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/upload?name=a.mp4", bytes.NewReader(video))
		if err != nil {
			t.Error(err)
			return "", ""
		}
		req.Header = http.Header{"Content-Type": {"video/mp4"}, "Authorization": {"Bearer " + s.token}, idempotency.Header: {key}}
		res, err := s.client.Do(req)
		if err != nil {
			continue
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		switch {
		case err != nil:
		case res.StatusCode == http.StatusAccepted:
			return decode[jobResponse](t, b).ID, res.Header.Get(idempotency.ReplayedHeader)
		case res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusConflict:
			t.Errorf("%d %s", res.StatusCode, b)
			return "", ""
		}
		time.Sleep(100 * time.Millisecond) // less than Retry-After: more requests at once
	}
	return "", ""
}

// Of many equal requests at once, at several pods, one makes the job and all get it.
func TestManyDuplicatesAtOnce(t *testing.T) {
	onEachStores(t, func(t *testing.T, p pods) {
		n := *duplicates
		gateways := [2]*testGateway{p.a, p.b}
		ids, replayed := make([]string, n), make([]string, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { ids[i], replayed[i] = gateways[i%2].uploadUntilAccepted(t, "k") })
		}
		wg.Wait()
		firsts := 0
		for i := range n {
			if ids[i] != ids[0] {
				t.Fatalf("jobs %s and %s, want one", ids[i], ids[0])
			}
			if replayed[i] == "" {
				firsts++
			}
		}
		t.Logf("%d requests, %d jobs", n, gateways[0].records(t))
		if records, wakes := gateways[0].records(t), gateways[0].queue.count(); firsts != 1 || records != 1 || wakes != 1 {
			t.Errorf("%d requests made %d records and %d wake-ups, want 1", firsts, records, wakes)
		}
		objects, err := gateways[0].Videos.List(t.Context(), time.Now().Add(time.Hour), "", 10)
		if err != nil || len(objects) != 1 {
			t.Errorf("%d videos, %v, want 1", len(objects), err)
		}
	})
}

// A repeated request that arrives during the first one gets its job, whichever pod it
// reaches, and uploads itself if the first one fails.
func TestDuplicateDuringUpload(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]bool{"finishes": true, "fails": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPods(t, nil)
			first := p.a.dial(t, p.a.authorizationHeader(), "Idempotency-Key: k", fmt.Sprintf("Content-Length: %d", len(video)))
			first.Write(video[:1000])
			waitUntil(t, "the upload has begun", func() bool { return p.a.files(t, "videos") > 0 })
			if res, b := p.a.do(t, "GET", "/jobs", nil); len(decode[jobListResponse](t, b).Jobs) != 0 {
				t.Errorf("an upload that is not complete is listed: %d %s", res.StatusCode, b)
			}
			type response struct {
				res  *http.Response
				body []byte
			}
			second := make(chan response)
			go func() {
				res, b := p.b.send(t, "/upload", video, idempotency.Header, "k")
				second <- response{res, b}
			}()
			waitUntil(t, "the second request waits", func() bool { return p.b.uploads.count() == 1 })
			want := ""
			if finish {
				first.Write(video[1000:])
				status, body := readResponse(t, first)
				if status != http.StatusAccepted {
					t.Fatalf("first: %d %s", status, body)
				}
				want = decode[jobResponse](t, []byte(body)).ID
			} else {
				first.Close()
			}
			got := <-second
			j := accepted(t, got.res, got.body)
			if replayed := got.res.Header.Get(idempotency.ReplayedHeader) == "true"; finish && j.ID != want || replayed != finish {
				t.Errorf("second: job %s, replayed %t; first: job %s", j.ID, replayed, want)
			}
			p.a.checkOneJob(t)
		})
	}
}

// A request does not wait for another one without end.
func TestDuplicateGivesUp(t *testing.T) {
	s := startGateway(t, nil)
	s.keyWait = 100 * time.Millisecond
	first := s.dial(t, s.authorizationHeader(), "Idempotency-Key: k", "Content-Length: 1000000")
	first.Write(video)
	waitUntil(t, "the upload has begun", func() bool { return s.files(t, "videos") > 0 })
	res, b := s.send(t, "/upload", video, idempotency.Header, "k")
	checkProblem(t, res, b, problem.IdempotencyKeyInUse)
	if got := res.Header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After %q", got)
	}
}

// The key of a resumable upload cannot be used for another kind of request, and the
// upload is not touched.
func TestKeyOfResumableUpload(t *testing.T) {
	s := startGateway(t, nil)
	j := jobs.Job{ID: id.New(), Owner: "anna", IdempotencyKey: "k", BodyDigest: idempotency.Digest(nil, nil), Video: jobs.File{ID: id.New()}}
	j.BeginUpload(s.config.Policy, "", s.Jobs.Now())
	if err := s.Jobs.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	res, b := s.send(t, "/upload", video, idempotency.Header, "k")
	checkProblem(t, res, b, problem.IdempotencyKeyReused)
	if now, err := s.Jobs.Get(t.Context(), j.ID); err != nil || now.Revision != 0 {
		t.Errorf("the upload has changed: %+v, %v", now, err)
	}
	for _, method := range []string{"GET", "DELETE"} {
		res, b := s.do(t, method, "/jobs/"+j.ID, nil)
		checkProblem(t, res, b, problem.JobNotFound)
	}
}
