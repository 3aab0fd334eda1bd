package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
	"mp3converter/shared/serve"
	"mp3converter/shared/token"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// A site is a gateway with real stores behind the real server.
type site struct {
	*Gateway
	url    string
	client *http.Client
	queue  *wakeups
	dir    string
	token  string // of the user "anna"
}

// open returns a site whose gateway change has altered, served until the test
// ends. It is an error if a request is then still running.
func open(t testing.TB, change func(*Gateway)) *site {
	t.Helper()
	s := assemble(t, change)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	s.client = &http.Client{Transport: newConforming(t), Timeout: time.Minute}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- serve.RunListener(ctx, serve.Config{LogFormat: "json", Grace: 20 * time.Second}, l, s.Handler(), s.Ready)
	}()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return s
}

func assemble(t testing.TB, change func(*Gateway)) *site {
	t.Helper()
	dir := t.TempDir()
	records, err := sqlite.Open(filepath.Join(dir, "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	s := &site{dir: dir, queue: &wakeups{}}
	s.Gateway = &Gateway{
		Config: Config{MaxUpload: 1 << 20, MaxUploads: 4, Stall: 5 * time.Second, Policy: jobs.Policy{
			MaxAttempts: 3, Lease: time.Minute, Wake: time.Minute, WakeMax: time.Hour, Retention: time.Hour}},
		Keys:   testKeys(t, 'x'),
		Jobs:   records,
		Videos: store(t, filepath.Join(dir, "videos")),
		Audio:  store(t, filepath.Join(dir, "mp3")),
		Queue:  s.queue,
		Auth:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "auth") }),
	}
	if change != nil {
		change(s.Gateway)
	}
	s.token = s.tokenOf(t, "anna")
	return s
}

func testKeys(t testing.TB, fill byte) token.Keys {
	t.Helper()
	k, err := token.ParseKeys("k1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func store(t testing.TB, dir string) media.Store {
	t.Helper()
	s, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) tokenOf(t testing.TB, user string) string {
	t.Helper()
	raw, _, err := s.Keys.Issue(user, user+"@example.com", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// do sends a request as anna and returns the answer with its body read.
func (s *site) do(t testing.TB, method, path string, body io.Reader, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	return res, b
}

// send uploads a video and returns the answer.
func (s *site) send(t testing.TB, f form) (*http.Response, []byte) {
	t.Helper()
	body, contentType := f.encode(t)
	return s.do(t, "POST", "/upload", bytes.NewReader(body), "Content-Type", contentType)
}

// accepted uploads a video that must be accepted, and returns its record.
func (s *site) accepted(t testing.TB, name string) jobs.Job {
	t.Helper()
	res, b := s.send(t, form{file{name, video}})
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("upload of %q: %d %s", name, res.StatusCode, b)
	}
	j, err := s.Jobs.Get(t.Context(), decode[view](t, b).ID)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// done uploads a video and finishes its job as a converter would.
func (s *site) done(t testing.TB, name string, mp3 []byte) jobs.Job {
	t.Helper()
	j := s.accepted(t, name)
	s.claim(t, j.ID)
	return s.complete(t, j.ID, mp3)
}

func (s *site) claim(t testing.TB, job string) {
	t.Helper()
	s.update(t, job, func(j *jobs.Job) error { return j.Claim(s.Config.Policy, "test", time.Now()) })
}

func (s *site) complete(t testing.TB, job string, mp3 []byte) jobs.Job {
	t.Helper()
	o, err := s.Audio.Put(t.Context(), media.Object{ID: id.New(), Job: job}, bytes.NewReader(mp3))
	if err != nil {
		t.Fatal(err)
	}
	return s.update(t, job, func(j *jobs.Job) error {
		return j.Complete(s.Config.Policy, "test", jobs.File{ID: o.ID, Size: o.Size}, time.Now())
	})
}

func (s *site) update(t testing.TB, job string, change func(*jobs.Job) error) jobs.Job {
	t.Helper()
	j, err := s.Jobs.Update(context.WithoutCancel(t.Context()), job, change)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// files returns how many files a folder of the site holds.
func (s *site) files(t testing.TB, folder string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, folder))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// records returns how many jobs there are, whosever they are.
func (s *site) records(t testing.TB) int {
	t.Helper()
	all, err := s.Jobs.Due(t.Context(), time.Now().Add(1000*time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// untouched checks that a refused upload has left nothing behind.
func (s *site) untouched(t testing.TB) {
	t.Helper()
	if n := s.records(t); n != 0 {
		t.Errorf("%d jobs left behind", n)
	}
	for _, folder := range []string{"videos", "mp3"} {
		if n := s.files(t, folder); n != 0 {
			t.Errorf("%d files left behind in %s", n, folder)
		}
	}
	if n := s.queue.count(); n != 0 {
		t.Errorf("%d events sent", n)
	}
}

// until waits for a condition that must come true soon.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func decode[T any](t testing.TB, b []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

// refused checks that an answer is a problem of that kind.
func refused(t testing.TB, res *http.Response, body []byte, want problem.Kind) {
	t.Helper()
	if res.StatusCode != want.Status {
		t.Fatalf("status %d, want %d: %s", res.StatusCode, want.Status, body)
	}
	got := decode[struct{ Code, Title, RequestID string }](t, body)
	if got.Code != want.Code || got.Title != want.Sentence {
		t.Errorf("refused as %q (%s), want %q", got.Code, got.Title, want.Code)
	}
	if got.RequestID == "" || got.RequestID != res.Header.Get(problem.RequestIDHeader) {
		t.Errorf("request id %q, in the header %q", got.RequestID, res.Header.Get(problem.RequestIDHeader))
	}
}

// video looks like the beginning of an MP4.
var video = append([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"), bytes.Repeat([]byte{0xa5, 0, 0x5a}, 1000)...)

// A form is what a client sends as multipart/form-data: files and fields.
type form []any

type file struct {
	name    string // as it stands between the quotes of the header
	content []byte
}

type field struct{ name, value string }

func (f form) encode(t testing.TB) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range f {
		header, content := textproto.MIMEHeader{}, []byte(nil)
		switch part := part.(type) {
		case file:
			header.Set("Content-Disposition", `form-data; name="file"; filename="`+part.name+`"`)
			header.Set("Content-Type", "application/octet-stream")
			content = part.content
		case field:
			header.Set("Content-Disposition", `form-data; name="`+part.name+`"`)
			content = []byte(part.value)
		}
		p, err := w.CreatePart(header)
		if err != nil {
			t.Fatal(err)
		}
		p.Write(content)
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// wakeups is a queue that remembers, or fails.
type wakeups struct {
	mu   sync.Mutex
	sent []string // queue and job
	fail error
}

func (q *wakeups) Wake(_ context.Context, to queue.Queue, jobID string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return q.fail
	}
	q.sent = append(q.sent, to.Name+" "+jobID)
	return nil
}

func (q *wakeups) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.sent)
}

var _ queue.Publisher = (*wakeups)(nil)

// conforming holds every answer that passes through it to the description.
type conforming struct {
	t   testing.TB
	doc *openapi3.T
	mux *http.ServeMux
	via *http.Transport
}

func newConforming(t testing.TB) *conforming {
	c := &conforming{t: t, doc: description(t), mux: http.NewServeMux(), via: &http.Transport{}}
	for path := range c.doc.Paths.Map() {
		pattern := path
		if path == "/" {
			pattern = "/{$}"
		}
		c.mux.HandleFunc(pattern, http.NotFound)
	}
	return c
}

func (c *conforming) CloseIdleConnections() { c.via.CloseIdleConnections() }

func (c *conforming) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.via.RoundTrip(r)
	if err == nil {
		if err := c.check(r, res); err != nil {
			c.t.Errorf("%s %s answered %d not as described: %v", r.Method, r.URL.Path, res.StatusCode, err)
		}
	}
	return res, err
}

func (c *conforming) check(r *http.Request, res *http.Response) error {
	_, pattern := c.mux.Handler(&http.Request{Method: r.Method, URL: r.URL})
	path := strings.TrimSuffix(pattern, "{$}")
	item := c.doc.Paths.Map()[path]
	if item == nil || item.GetOperation(r.Method) == nil {
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			return errors.New("the operation is not described")
		}
		return nil
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	operation := item.GetOperation(r.Method)
	answer := operation.Responses.Status(res.StatusCode)
	if answer == nil {
		return errors.New("the status is not described")
	}
	if res.ContentLength == 0 && len(answer.Value.Content) == 0 || r.Method == http.MethodHead {
		return nil
	}
	if answer.Value.Content.Get(kind) == nil && kind != "" {
		return fmt.Errorf("the type %q is not described", kind)
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: r,
			Route:   &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: r.Method, Operation: operation},
		},
		Status:  res.StatusCode,
		Header:  res.Header,
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
}
