package api

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/problem"
)

// mustLink makes a link to the MP3 of a job and returns its path.
func (s *testGateway) mustLink(t testing.TB, job, body string) (path string, expires time.Time) {
	t.Helper()
	res, b := s.do(t, "POST", "/jobs/"+job+"/links", strings.NewReader(body), "Content-Type", "application/json")
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("POST links: %d %s", res.StatusCode, b)
	}
	link := decode[linkResponse](t, b)
	u, err := url.Parse(link.URL)
	if err != nil || u.Scheme+"://"+u.Host != s.url {
		t.Fatalf("link %s, want one at %s", link.URL, s.url)
	}
	return u.EscapedPath(), link.ExpiresAt
}

// visit requests a path without a token.
func (s *testGateway) visit(t testing.TB, method, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	return s.do(t, method, path, nil, append(header, "Authorization", "")...)
}

func TestLink(t *testing.T) {
	s := startGateway(t, nil)
	mp3 := randomBytes(1000)
	j := s.mustConvert(t, "my song.mp4", mp3)
	link, _ := s.mustLink(t, j.ID, "")
	if !strings.HasSuffix(link, "/my%20song.mp3") {
		t.Errorf("%s does not end with the name of the MP3", link)
	}
	etag := `"` + j.Audio.ID + `"`
	for name, c := range map[string]struct {
		method string
		header []string
		status int
		body   []byte
	}{
		"all":          {"GET", nil, 200, mp3},
		"head":         {"HEAD", nil, 200, nil},
		"a range":      {"GET", []string{"Range", "bytes=100-199"}, 206, mp3[100:200]},
		"a known one":  {"GET", []string{"If-None-Match", etag}, 304, nil},
		"precondition": {"GET", []string{"If-Match", `"other"`}, 412, nil},
	} {
		t.Run(name, func(t *testing.T) {
			res, b := s.visit(t, c.method, link, c.header...)
			if res.StatusCode != c.status || !bytes.Equal(b, c.body) {
				t.Errorf("%d with %d bytes, want %d with %d", res.StatusCode, len(b), c.status, len(c.body))
			}
			for name, want := range map[string]string{"Cache-Control": "private, no-cache", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"} {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s %q, want %q", name, got, want)
				}
			}
		})
	}
	res, b := s.visit(t, "GET", link, "Range", "bytes=5000-")
	checkProblem(t, res, b, problem.BadRange)
	// The name is only for whoever stores the file.
	if res, b := s.visit(t, "GET", link[:strings.LastIndexByte(link, '/')]+"/other.mp3"); res.StatusCode != 200 || !bytes.Equal(b, mp3) {
		t.Errorf("another name: %d", res.StatusCode)
	}
	// A token of a link is not a token of a user.
	token := strings.Split(link, "/")[2]
	res, b = s.do(t, "GET", "/jobs", nil, "Authorization", "Bearer "+token)
	checkProblem(t, res, b, problem.BadToken)
}

func TestLinkExpiry(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	for body, want := range map[string]time.Duration{
		"":                               defaultLinkTTL,
		"{}":                             defaultLinkTTL,
		`{"expiresIn":60}`:               time.Minute,
		`{"expiresIn":1000000}`:          time.Hour, // the job's, by the policy of the test
		`{"expiresIn":9000000000000000}`: time.Hour,
	} {
		now := s.Jobs.Now()
		_, expires := s.mustLink(t, j.ID, body)
		// The job was finished a moment ago, and the time is in whole seconds.
		if d := expires.Sub(now) - want; d < -time.Minute || d > 5*time.Second {
			t.Errorf("%s: expires after %v, want %v", body, expires.Sub(now), want)
		}
		if expires.After(j.ExpiresAt) {
			t.Errorf("%s: the link outlives the job", body)
		}
	}
	for _, body := range []string{`{"expiresIn":0}`, `{"expiresIn":-1}`, `{"expiresIn":"60"}`, `{"expiresIn":1.5}`, `{"expires":60}`, `{`, `[]`, `{}{}`, `{"x":"` + strings.Repeat("x", maxJSONBody) + `"}`} {
		res, b := s.do(t, "POST", "/jobs/"+j.ID+"/links", strings.NewReader(body), "Content-Type", "application/json")
		checkProblem(t, res, b, problem.BadRequest)
	}
}

// A link with a valid signature that leads nowhere says nothing about the job.
func TestDeadLinks(t *testing.T) {
	s := startGateway(t, nil)
	deleted, revoked, kept := s.mustConvert(t, "a.mp4", []byte("mp3")), s.mustConvert(t, "a.mp4", []byte("mp3")), s.mustConvert(t, "a.mp4", []byte("mp3"))
	ofDeleted, _ := s.mustLink(t, deleted.ID, "")
	ofRevoked, _ := s.mustLink(t, revoked.ID, "")
	ofKept, _ := s.mustLink(t, kept.ID, "")
	ofUnknown := s.links.URL(jobs.Job{ID: id.New(), Name: "a.mp4"}, time.Now().Add(time.Hour))
	expired := s.links.URL(kept, time.Now().Add(-time.Second))
	s.deleteJob(t, deleted.ID)
	if res, b := s.do(t, "DELETE", "/jobs/"+revoked.ID+"/links", nil); res.StatusCode != http.StatusNoContent || len(b) > 0 {
		t.Fatalf("DELETE links: %d %s", res.StatusCode, b)
	}
	ask := func(link string, want problem.Kind) string {
		t.Helper()
		res, b := s.visit(t, "GET", link)
		checkProblem(t, res, b, want)
		requestID := res.Header.Get(problem.RequestIDHeader)
		res.Header.Del(problem.RequestIDHeader)
		res.Header.Del("Date")
		return fmt.Sprint(res.Header) + strings.ReplaceAll(string(b), requestID, "")
	}
	want := ask(expired, problem.LinkExpired)
	for what, link := range map[string]string{"of a deleted job": ofDeleted, "that was revoked": ofRevoked, "of a job that never was": ofUnknown} {
		if got := ask(link, problem.LinkExpired); got != want {
			t.Errorf("a link %s:\n%s\nlooks different from an expired one:\n%s", what, got, want)
		}
	}
	forged := func(job string) string {
		return fmt.Sprintf("/links/%s.%d.0.%s/a.mp3", job, time.Now().Add(time.Hour).Unix(), strings.Repeat("A", 43))
	}
	unknown := ask(forged(id.New()), problem.LinkNotFound)
	for _, link := range []string{forged(kept.ID), "/links/x/a.mp3", strings.Replace(ofKept, kept.ID, revoked.ID, 1), strings.Replace(ofRevoked, ".0.", ".1.", 1)} {
		if got := ask(link, problem.LinkNotFound); got != unknown {
			t.Errorf("%s:\n%s\nlooks different from a link to an unknown job:\n%s", link, got, unknown)
		}
	}
	// Others live, and so do new ones.
	again, _ := s.mustLink(t, revoked.ID, "")
	for _, link := range []string{ofKept, again} {
		if res, b := s.visit(t, "GET", link); res.StatusCode != 200 {
			t.Errorf("%d %s", res.StatusCode, b)
		}
	}
	if err := s.Audio.Delete(t.Context(), kept.Audio.ID); err != nil {
		t.Fatal(err)
	}
	ask(ofKept, problem.LinkExpired)
}

func TestLinksOnlyForMP3s(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	post := func(job string, want problem.Kind, header ...string) {
		t.Helper()
		res, b := s.do(t, "POST", "/jobs/"+job+"/links", nil, header...)
		checkProblem(t, res, b, want)
		if retry := res.Header.Get("Retry-After"); (retry != "") != (want == problem.NotReady) {
			t.Errorf("%s: Retry-After %q", want.Code, retry)
		}
	}
	post(j.ID, problem.NotReady)
	s.claim(t, j.ID)
	post(j.ID, problem.NotReady)
	s.update(t, j.ID, func(j *jobs.Job) error { return j.Fail(s.config.Policy, "test", conversion.NoAudio, time.Now()) })
	post(j.ID, problem.NoMP3)
	post(id.New(), problem.JobNotFound)
	done := s.mustConvert(t, "a.mp4", []byte("mp3"))
	bert := "Bearer " + s.tokenOf(t, "bert")
	post(done.ID, problem.JobNotFound, "Authorization", bert)
	res, b := s.do(t, "DELETE", "/jobs/"+done.ID+"/links", nil, "Authorization", bert)
	checkProblem(t, res, b, problem.JobNotFound)
}

// Links do not evade the limits of the owner.
func TestLinksUseTheOwnersPlaces(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.MaxUserDownloads, g.Config.TransferWait = 1, 50*time.Millisecond })
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	link, _ := s.mustLink(t, j.ID, "")
	release, err := s.downloads.acquire(t.Context(), j.Owner)
	if err != nil {
		t.Fatal(err)
	}
	res, b := s.visit(t, "GET", link)
	checkProblem(t, res, b, problem.TooManyRequests)
	release()
	if res, b := s.visit(t, "GET", link); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

// A revocation that happens at the same time as changes of the job is not lost, and neither
// are they.
func TestConcurrentRevocations(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	const n = 8
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := s.Jobs.Update(context.Background(), j.ID, func(j *jobs.Job) error { j.RevokeLinks(); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := s.Jobs.Get(t.Context(), j.ID); err != nil || got.LinkEpoch != n {
		t.Errorf("epoch %d, %v, want %d", got.LinkEpoch, err, n)
	}
}

// Whoever reads the log cannot download.
func TestLinkIsNotLogged(t *testing.T) {
	log := new(syncBuffer)
	before := slog.Default()
	slog.SetDefault(logs.New(log, "json", "debug"))
	t.Cleanup(func() { slog.SetDefault(before) })
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	link, _ := s.mustLink(t, j.ID, "")
	s.visit(t, "GET", link)
	s.visit(t, "GET", link+"/more")
	s.visit(t, "PUT", link)
	s.Jobs = jobStore{get: func(context.Context, string) (jobs.Job, error) { return jobs.Job{}, errBroken }, Store: s.Jobs}
	s.visit(t, "GET", link)
	const requests = 6
	waitUntil(t, "every request is in the log", func() bool { return strings.Count(log.String(), `"msg":"request"`) >= requests })
	token := strings.Split(link, "/")[2]
	signature := token[strings.LastIndexByte(token, '.')+1:]
	if len(signature) < 40 || strings.Contains(log.String(), signature) {
		t.Errorf("the signature %q is in the log:\n%s", signature, log)
	}
}

func TestAbsoluteURLs(t *testing.T) {
	const public = "https://mp3.example.com"
	s := startGateway(t, func(g *setup) { g.Config.Links.PublicURL = public + "/" })
	res, b := s.upload(t, form{file{"a.mp4", video}})
	created := decode[jobResponse](t, b)
	at := public + "/jobs/" + created.ID
	if got := res.Header.Get("Location"); got != at {
		t.Errorf("POST /upload: Location %q, want %q", got, at)
	}
	if res, _ := s.do(t, "GET", "/download?fid="+created.ID, nil); res.Header.Get("Location") != at {
		t.Errorf("GET /download: Location %q, want %q", res.Header.Get("Location"), at)
	}
	s.claim(t, created.ID)
	j := s.complete(t, created.ID, []byte("mp3"))
	if got := s.getJob(t, j.ID).Audio.URL; got != at+"/audio" {
		t.Errorf("audio.url %q, want %q", got, at+"/audio")
	}
	_, b = s.do(t, "POST", "/jobs/"+j.ID+"/links", nil)
	if got := decode[linkResponse](t, b).URL; !strings.HasPrefix(got, public+"/links/") {
		t.Errorf("link %q", got)
	}
}

// Without PUBLIC_URL a link begins with the address at which the client has reached the
// gateway.
func TestLinkWithoutPublicURL(t *testing.T) {
	s := newTestGateway(t, nil)
	for _, c := range []struct{ host, proto, want string }{
		{"localhost:8080", "", "http://localhost:8080/links/x"},
		{"mp3.example.com", "https", "https://mp3.example.com/links/x"},
		{"", "", "/links/x"},
	} {
		r := &http.Request{Host: c.host, Header: http.Header{"X-Forwarded-Proto": {c.proto}}}
		if got := s.resolveURL(r, "/links/x"); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// How many links one process makes and serves in a second.
func BenchmarkLinks(b *testing.B) {
	s := newTestGateway(b, nil)
	job := jobs.Job{ID: id.New(), Owner: "anna", Name: "a.mp4"}
	job.Enqueue(s.config.Policy, time.Now())
	if err := s.Jobs.Create(b.Context(), job); err != nil {
		b.Fatal(err)
	}
	s.claim(b, job.ID)
	s.complete(b, job.ID, make([]byte, 4<<10))
	h := s.Handler()
	send := func(b *testing.B, method, path string, status int) string {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Authorization", "Bearer "+s.token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			b.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return w.Body.String()
	}
	link := decode[linkResponse](b, []byte(send(b, "POST", "/jobs/"+job.ID+"/links", http.StatusCreated))).URL
	_, path, _ := strings.Cut(link, "/links/")
	path = "/links/" + path
	for name, request := range map[string]func(b *testing.B){
		"make":  func(b *testing.B) { send(b, "POST", "/jobs/"+job.ID+"/links", http.StatusCreated) },
		"serve": func(b *testing.B) { send(b, "GET", path, http.StatusOK) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				request(b)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "links/s")
		})
	}
}
