package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/links"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
	"mp3converter/shared/serve"
	"mp3converter/shared/token"
	"mp3converter/shared/webhooks"
	webhookssqlite "mp3converter/shared/webhooks/sqlite"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(exchanges.Main(m, documentScope))
}

// testGateway is a gateway with real stores.
type testGateway struct {
	*Gateway
	url    string
	client *http.Client
	queue  *recordingQueue
	dir    string
	token  string // of the user "anna"
}

// setup is what a test may change before the gateway is created.
type setup struct {
	Config Config
	Deps
}

// startGateway serves a gateway until the test ends. The test fails if a request
// is still running then.
func startGateway(t testing.TB, change func(*setup)) *testGateway {
	t.Helper()
	s := newTestGateway(t, change)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	s.client = &http.Client{Transport: exchanges.Transport(t, &http.Transport{}), Timeout: time.Minute}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	handler := s.Handler() // before the test changes the gateway
	go func() {
		ended <- serve.RunListener(ctx, serve.Config{LogFormat: "json", Grace: 20 * time.Second}, l, handler, s.Ready)
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

func newTestGateway(t testing.TB, change func(*setup)) *testGateway {
	t.Helper()
	dir := t.TempDir()
	records, err := sqlite.Open(filepath.Join(dir, "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	s := &testGateway{dir: dir, queue: &recordingQueue{}}
	settings := setup{
		Config: Config{
			MaxUpload: 1 << 20, MaxUploads: 8, MaxUserUploads: 4, MaxDownloads: 8, MaxUserDownloads: 4, MaxWaits: 8, MaxUserWaits: 4,
			Links:        links.Config{Keys: testLinkKeys},
			TransferWait: 20 * time.Second, MinRate: 4096, IdleTimeout: 5 * time.Second, Quota: Quota{Jobs: 100, Bytes: 1 << 40}, Policy: jobs.Policy{
				MaxAttempts: 3, MaxDeaths: 3, MaxAge: 24 * time.Hour, RetryMax: 10 * time.Second, Lease: time.Minute, Wake: time.Minute, WakeMax: time.Hour, Retention: time.Hour, UploadTTL: time.Hour},
			Receivers: webhooks.Receivers{Ports: []uint16{443, 80}},
		},
		Deps: Deps{
			Keys:   testKeys(t, 'x'),
			Jobs:   records,
			Videos: openDisk(t, filepath.Join(dir, "videos")),
			Audio:  openDisk(t, filepath.Join(dir, "mp3")),
			Queue:  s.queue,
			Auth:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "auth") }),

			Webhooks: openWebhooks(t, filepath.Join(dir, "jobs.db")),
		},
	}
	if change != nil {
		change(&settings)
	}
	// Tests use idle timeouts shorter than New accepts.
	idleTimeout := settings.Config.IdleTimeout
	settings.Config.IdleTimeout = max(idleTimeout, time.Second)
	if s.Gateway, err = New(settings.Config, settings.Deps); err != nil {
		t.Fatal(err)
	}
	s.config.IdleTimeout = idleTimeout
	s.token = s.tokenOf(t, "anna")
	return s
}

// testLinkKeys is the key "link" with 32 bytes.
var testLinkKeys = "link:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'l'}, 32))

func testKeys(t testing.TB, fill byte) token.Keys {
	t.Helper()
	k, err := token.ParseKeys("k1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func openDisk(t testing.TB, dir string) media.Store {
	t.Helper()
	s, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openWebhooks(t testing.TB, path string) webhooks.Store {
	t.Helper()
	s, err := webhookssqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *testGateway) tokenOf(t testing.TB, user string) string {
	t.Helper()
	raw, _, err := s.Keys.Issue(user, user+"@example.com", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// do sends a request as anna and returns the response and its body.
func (s *testGateway) do(t testing.TB, method, path string, body io.Reader, header ...string) (*http.Response, []byte) {
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
		t.Fatalf("%s %s: read response: %v", method, path, err)
	}
	return res, b
}

// upload sends a form to /upload.
func (s *testGateway) upload(t testing.TB, f form) (*http.Response, []byte) {
	t.Helper()
	body, contentType := f.encode(t)
	return s.do(t, "POST", "/upload", bytes.NewReader(body), "Content-Type", contentType)
}

// mustUpload uploads a video and returns its job.
func (s *testGateway) mustUpload(t testing.TB, name string) jobs.Job {
	t.Helper()
	res, b := s.upload(t, form{file{name, video}})
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("upload of %q: %d %s", name, res.StatusCode, b)
	}
	j, err := s.Jobs.Get(t.Context(), decode[jobResponse](t, b).ID)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// mustConvert uploads a video and completes its job like a converter.
func (s *testGateway) mustConvert(t testing.TB, name string, mp3 []byte) jobs.Job {
	t.Helper()
	j := s.mustUpload(t, name)
	s.claim(t, j.ID)
	return s.complete(t, j.ID, mp3)
}

func (s *testGateway) claim(t testing.TB, job string) {
	t.Helper()
	s.update(t, job, func(j *jobs.Job) error { return j.Claim(s.config.Policy, "test", time.Now()) })
}

func (s *testGateway) complete(t testing.TB, job string, mp3 []byte) jobs.Job {
	t.Helper()
	o, err := s.Audio.Put(t.Context(), media.Object{ID: id.New(), Job: job}, bytes.NewReader(mp3))
	if err != nil {
		t.Fatal(err)
	}
	return s.update(t, job, func(j *jobs.Job) error {
		return j.Complete(s.config.Policy, "test", jobs.File{ID: o.ID, Size: o.Size}, time.Now())
	})
}

func (s *testGateway) update(t testing.TB, job string, change func(*jobs.Job) error) jobs.Job {
	t.Helper()
	j, err := s.Jobs.Update(context.WithoutCancel(t.Context()), job, change)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// files returns the number of files in a folder.
func (s *testGateway) files(t testing.TB, folder string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, folder))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// records returns the number of jobs of all users.
func (s *testGateway) records(t testing.TB) int {
	t.Helper()
	all, err := s.Jobs.Due(t.Context(), time.Now().Add(1000*time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// checkNothingLeft checks that a rejected upload left no job, file or message.
func (s *testGateway) checkNothingLeft(t testing.TB) {
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
		t.Errorf("%d wake-ups published", n)
	}
}

// waitUntil waits until condition returns true.
func waitUntil(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
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

// checkProblem checks that a response is a problem of kind want.
func checkProblem(t testing.TB, res *http.Response, body []byte, want problem.Kind) {
	t.Helper()
	if res.StatusCode != want.Status {
		t.Fatalf("status %d, want %d: %s", res.StatusCode, want.Status, body)
	}
	got := decode[struct{ Code, Title, RequestID string }](t, body)
	if got.Code != want.Code || got.Title != want.Title {
		t.Errorf("problem %q (%s), want %q", got.Code, got.Title, want.Code)
	}
	if got.RequestID == "" || got.RequestID != res.Header.Get(problem.RequestIDHeader) {
		t.Errorf("request id %q, in the header %q", got.RequestID, res.Header.Get(problem.RequestIDHeader))
	}
}

// video looks like the beginning of an MP4.
var video = append([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"), bytes.Repeat([]byte{0xa5, 0, 0x5a}, 1000)...)

// form is what a client sends as multipart/form-data: files and fields.
type form []any

type file struct {
	name    string // as quoted in the header
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

// recordingQueue is a publisher that records wake-ups, or fails.
type recordingQueue struct {
	mu   sync.Mutex
	sent []string // queue and job
	fail error
}

func (q *recordingQueue) Wake(_ context.Context, to queue.Queue, jobID string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return q.fail
	}
	q.sent = append(q.sent, to.Name+" "+jobID)
	return nil
}

func (q *recordingQueue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.sent)
}

var _ queue.Publisher = (*recordingQueue)(nil)
