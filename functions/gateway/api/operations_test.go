package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"mp3converter/shared/conversion"
	"mp3converter/shared/forwarded"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/webhooks"
)

// Tests of every operation in the OpenAPI document, also of those that are added later.

// operation is one of the document.
type operation struct {
	method, path string
	*openapi3.Operation
}

func (o operation) String() string { return o.method + " " + o.path }

func (o operation) documents(status int) bool { return o.Responses.Status(status) != nil }

// needsToken reports whether the operation is for users.
func (o operation) needsToken() bool { return o.Security == nil }

// operations returns those that the tests of this package cover.
func operations(t testing.TB) []operation {
	t.Helper()
	var all []operation
	for path, item := range loadOpenAPI(t).Paths.Map() {
		for method, o := range item.Operations() {
			all = append(all, operation{method, path, o})
		}
	}
	return all
}

// request sends an ordinary request for a job that is done. An operation with a JSON body
// gets the document's example of it, or {}, and required headers have those of the document.
func (s *testGateway) request(t testing.TB, o operation, j jobs.Job, header ...string) (*http.Response, []byte) {
	t.Helper()
	token := strings.Split(s.links.URL(j, time.Now().Add(time.Hour)), "/")[2]
	path := strings.NewReplacer("{id}", j.ID, "{token}", token, "{name}", "a.mp3", "{code}", "too_large").Replace(o.path)
	if o.path == "/download" {
		path += "?fid=" + j.ID
	}
	if !o.needsToken() {
		header = append(header, "Authorization", "")
	}
	for _, p := range o.Parameters {
		if p.Value.In == "header" && p.Value.Required {
			header = append(header, p.Value.Name, fmt.Sprintf("%v", p.Value.Example))
		}
	}
	var body io.Reader
	if o.RequestBody != nil {
		content := o.RequestBody.Value.Content
		example := any(struct{}{})
		switch media := content["application/json"]; {
		case content["application/offset+octet-stream"] != nil && o.RequestBody.Value.Required:
			body = bytes.NewReader(video)
			header = append(header, "Content-Type", "application/offset+octet-stream")
		case content["application/octet-stream"] != nil:
			body = bytes.NewReader(video)
			header = append(header, "Content-Type", "video/mp4")
		case media != nil && media.Example != nil:
			example = media.Example
			fallthrough
		case media != nil:
			text, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			body = bytes.NewReader(text)
			header = append(header, "Content-Type", "application/json")
		}
	}
	return s.do(t, o.method, path, body, header...)
}

func TestEveryOperationNeedsAToken(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	for _, o := range operations(t) {
		if !o.needsToken() {
			continue
		}
		for _, authorization := range []string{"", "Bearer x"} {
			res, _ := s.request(t, o, j, "Authorization", authorization)
			if res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s, Authorization %q: %d %v", o, authorization, res.StatusCode, res.Header)
			}
		}
	}
}

// replaceStores replaces the stores of records and of settings.
func (s *testGateway) replaceStores(t testing.TB, records jobs.Store, settings webhooks.Store) {
	t.Helper()
	s.Jobs, s.Webhooks = records, settings
	var err error
	if s.resumable, err = s.newResumable(); err != nil {
		t.Fatal(err)
	}
}

// A defect in the service is an internal error without details.
func TestPanicInEveryOperation(t *testing.T) {
	s := startGateway(t, func(g *setup) {
		g.Auth = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") })
	})
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	s.replaceStores(t, struct{ jobs.Store }{}, struct{ webhooks.Store }{}) // every call panics
	for _, o := range operations(t) {
		if !o.documents(http.StatusInternalServerError) || o.method == http.MethodHead {
			continue
		}
		s.client.CloseIdleConnections() // the server may close one whose request it has not read
		res, b := s.request(t, o, j)
		checkProblem(t, res, b, problem.Internal)
		if strings.Contains(string(b), "secret") || strings.Contains(string(b), "nil pointer") {
			t.Errorf("%s: the cause was sent to the client: %s", o, b)
		}
	}
}

// brokenJobs is a store of records that cannot be reached.
type brokenJobs struct{ jobs.Store }

func (brokenJobs) Create(context.Context, jobs.Job) error        { return errBroken }
func (brokenJobs) Get(context.Context, string) (jobs.Job, error) { return jobs.Job{}, errBroken }
func (brokenJobs) ByKey(context.Context, string, string) (jobs.Job, error) {
	return jobs.Job{}, errBroken
}
func (brokenJobs) Delete(context.Context, string) error { return errBroken }
func (brokenJobs) Update(context.Context, string, func(*jobs.Job) error) (jobs.Job, error) {
	return jobs.Job{}, errBroken
}
func (brokenJobs) List(context.Context, string, jobs.Filter, int) ([]jobs.Job, error) {
	return nil, errBroken
}
func (brokenJobs) Usage(context.Context, string) (jobs.Usage, error) { return jobs.Usage{}, errBroken }

// brokenWebhooks is a store of settings that cannot be reached.
type brokenWebhooks struct{}

func (brokenWebhooks) Get(context.Context, string) (webhooks.Settings, error) {
	return webhooks.Settings{}, errBroken
}
func (brokenWebhooks) Update(context.Context, string, func(*webhooks.Settings) error) (webhooks.Settings, error) {
	return webhooks.Settings{}, errBroken
}
func (brokenWebhooks) Delete(context.Context, string) error { return errBroken }

// A store that cannot be reached is no internal error, and the client learns when to try
// again.
func TestEveryOperationWithoutStores(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	s := startGateway(t, func(g *setup) {
		var err error
		if g.Auth, err = AuthProxy(gone.URL, g.Keys, forwarded.Config{}); err != nil {
			t.Fatal(err)
		}
	})
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	s.replaceStores(t, brokenJobs{s.Jobs}, brokenWebhooks{})
	for _, o := range operations(t) {
		if !o.documents(http.StatusServiceUnavailable) || o.method == http.MethodHead {
			continue
		}
		res, b := s.request(t, o, j)
		checkProblem(t, res, b, problem.Unavailable)
		if res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", o)
		}
		if strings.Contains(string(b), "10.9.8.7") {
			t.Errorf("%s: the cause was sent to the client: %s", o, b)
		}
	}
}

// The MP3 has several addresses, which answer alike.
func TestEveryAddressOfAnMP3(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.MaxUserDownloads, g.Config.TransferWait = 1, 50*time.Millisecond })
	mp3 := randomBytes(1000)
	j := s.mustConvert(t, "a.mp4", mp3)
	link, _ := s.mustLink(t, j.ID, "")
	for _, path := range []string{"/jobs/" + j.ID + "/audio", "/download?fid=" + j.ID, link} {
		for name, c := range map[string]struct {
			header []string
			status int
		}{
			"all":          {nil, 200},
			"part":         {[]string{"Range", "bytes=0-9"}, 206},
			"known":        {[]string{"If-None-Match", `"` + j.Audio.ID + `"`}, 304},
			"precondition": {[]string{"If-Match", `"other"`}, 412},
			"beyond":       {[]string{"Range", "bytes=1000-"}, 416},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				if res, b := s.do(t, method, path, nil, c.header...); res.StatusCode != c.status {
					t.Errorf("%s %s, %s: %d %s", method, path, name, res.StatusCode, b)
				}
			}
		}
		release, err := s.downloads.acquire(t.Context(), j.Owner)
		if err != nil {
			t.Fatal(err)
		}
		res, b := s.do(t, "GET", path, nil)
		release()
		checkProblem(t, res, b, problem.TooManyRequests)
	}
}

// A user who waits for too many jobs at a time is refused, whichever address is used.
func TestTooManyWaits(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.MaxUserWaits, g.Config.TransferWait = 1, 50*time.Millisecond })
	j := s.mustUpload(t, "a.mp4")
	release, err := s.waits.acquire(t.Context(), j.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for _, path := range []string{"/jobs/%s?wait=60", "/jobs/%s/audio?wait=60", "/download?wait=60&fid=%s"} {
		res, b := s.do(t, "GET", fmt.Sprintf(path, j.ID), nil)
		checkProblem(t, res, b, problem.TooManyRequests)
	}
}

// Every value of an option that the document lists is accepted.
func TestEveryOptionValue(t *testing.T) {
	s := startGateway(t, nil)
	for name, property := range loadOpenAPI(t).Components.Schemas["Options"].Value.Properties {
		for _, value := range property.Value.Enum {
			query := url.Values{name: {fmt.Sprint(value)}}.Encode()
			if res, b := s.do(t, "POST", "/upload?"+query, bytes.NewReader(video)); res.StatusCode != http.StatusAccepted {
				t.Errorf("%s: %d %s", query, res.StatusCode, b)
			}
		}
	}
}

// All that is known about a video is shown.
func TestSourceIsShown(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	s.update(t, j.ID, func(j *jobs.Job) error {
		j.MediaInfo = &conversion.MediaInfo{
			Container: "matroska", Codec: "opus", Duration: time.Minute, SampleRate: 48000, Channels: 2,
			Tracks: []conversion.Track{{Codec: "opus", Language: "deu", Title: "Kommentar", SampleRate: 48000, Channels: 2}},
			Tags:   map[string]string{"title": "T"},
		}
		return nil
	})
	got := s.getJob(t, j.ID).Source
	if got == nil || len(got.Tracks) != 1 || got.Tracks[0].Language != "deu" || got.Tags["title"] != "T" {
		t.Errorf("source %+v", got)
	}
}

func TestExplanations(t *testing.T) {
	s := startGateway(t, nil)
	res, b := s.do(t, "GET", "/jobs", nil, "Authorization", "")
	checkProblem(t, res, b, problem.NoToken)
	at := decode[struct{ Type string }](t, b).Type
	for accept, want := range map[string]string{"text/html": "<h1><code>no_token</code></h1>", "application/json": `"of":"request"`, "*/*": "no_token, status 401"} {
		if res, b := s.visit(t, "GET", at, "Accept", accept); res.StatusCode != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%s, Accept %s: %d %s", at, accept, res.StatusCode, b)
		}
	}
	if res, b := s.visit(t, "GET", "/problems/no_audio", "Accept", "application/json"); res.StatusCode != 200 || !strings.Contains(string(b), `"of":"conversion"`) {
		t.Errorf("%d %s", res.StatusCode, b)
	}
	res, b = s.visit(t, "GET", "/problems/unknown")
	checkProblem(t, res, b, problem.NotFound)
}

func TestStaticFiles(t *testing.T) {
	s := startGateway(t, nil)
	for _, path := range []string{"/", "/page.js", "/page.css", "/page.svg", "/openapi.yaml"} {
		if res, b := s.visit(t, "GET", path); res.StatusCode != 200 || len(b) == 0 || res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d, %d bytes, %v", path, res.StatusCode, len(b), res.Header)
		}
	}
}
