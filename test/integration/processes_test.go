// Package wired runs the functions as a cluster does, each as its own process
// over RabbitMQ, MySQL and MongoDB's protocol, without the cluster: a stand-in
// for RabbitmqSource delivers the events.
package integration

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/queue"
	"mp3converter/shared/queue/queuetest"
	"mp3converter/test/mongotest"
	"mp3converter/test/mysqltest"
	"mp3converter/test/rabbitmqtest"
	"mp3converter/test/samples"
	"mp3converter/test/testproc"
)

// services is everything, running.
type services struct {
	binaries string
	env      []string
	broker   *rabbitmqtest.Server
	gateway  string // URL
	convert  *function
	told     *webhook
}

// function is the process of one.
type function struct {
	cmd  *exec.Cmd
	port string
}

func start(t *testing.T) *services {
	t.Helper()
	s := &services{binaries: t.TempDir(), told: &webhook{events: map[string]int{}}}
	build := exec.Command("go", "build", "-o", s.binaries, "mp3converter/functions/auth", "mp3converter/functions/gateway",
		"mp3converter/functions/converter", "mp3converter/functions/notification", "mp3converter/functions/janitor")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	key := make([]byte, 32)
	rand.Read(key)
	s.broker = rabbitmqtest.Start(t)
	hook := httptest.NewServer(s.told)
	t.Cleanup(hook.Close)
	s.env = append(os.Environ(),
		"HOST=127.0.0.1", "LOG_FORMAT=text",
		"TOKEN_KEYS=k1:"+base64.StdEncoding.EncodeToString(key),
		"RABBITMQ_URL="+s.broker.URL,
		"MYSQL_DSN="+mysqltest.Start(t).DSN,
		"MONGODB_URI="+mongotest.Start(t).URI,
		"WEBHOOK_URL="+hook.URL,
		"CONVERSIONS=2",
		// Impatient, so that what is lost is found within the test.
		"LEASE=5s", "WAKE_AFTER=2s", "WAKE_MAX=4s", "MAX_ATTEMPTS=20",
	)
	auth := s.run(t, "auth")
	s.gateway = s.run(t, "gateway", "AUTH_URL="+auth.url()).url()
	s.convert = s.run(t, "converter")
	notification := s.run(t, "notification")
	for name, f := range map[string]*function{queue.Video.Name: s.convert, queue.MP3.Name: notification} {
		source := &queuetest.Source{URL: s.broker.URL, Queue: name, Sink: f.url(), Parallelism: 2, Retry: 3, Backoff: 50 * time.Millisecond}
		source.Start(t)
	}
	return s
}

func (f *function) url() string { return "http://127.0.0.1:" + f.port }

// run starts a function on a free port and waits until it is ready.
func (s *services) run(t *testing.T, name string, env ...string) *function {
	t.Helper()
	f := &function{port: strconv.Itoa(testproc.FreePorts(t, 1)[0])}
	s.launch(t, f, name, env...)
	return f
}

// launch starts the process of f, again if it was killed.
func (s *services) launch(t *testing.T, f *function, name string, env ...string) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.binaries, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.binaries, name))
	cmd.Env = append(append([]string{}, s.env...), append(env, "PORT="+f.port)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.cmd = cmd
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			f.stop(t)
		}
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("log of %s:\n%s", name, text[max(0, len(text)-8000):])
		}
	})
	eventually(t, name+" ready", 2*time.Minute, func() bool {
		resp, err := http.Get(f.url() + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop is SIGTERM, and demands a clean end.
func (f *function) stop(t *testing.T) {
	t.Helper()
	f.cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- f.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%s: %v", f.cmd.Path, err)
		}
	case <-time.After(60 * time.Second):
		f.cmd.Process.Kill()
		t.Errorf("%s does not end", f.cmd.Path)
	}
}

// kill is what happens to pods.
func (f *function) kill() {
	f.cmd.Process.Kill()
	f.cmd.Wait()
}

// janitor is one run of the CronJob.
func (s *services) janitor(t *testing.T) {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.binaries, "janitor"))
	cmd.Env = append(append([]string{}, s.env...), "TASKS=wake")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("janitor: %v\n%s", err, out) // while the broker is away it may
	}
}

// webhook counts what the operator is told of each job.
type webhook struct {
	mu     sync.Mutex
	events map[string]int
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, err := cloudevents.NewEventFromHTTPRequest(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events[e.Subject()]++
}

func (h *webhook) count(job string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[job]
}

// user is a person with a token.
type user struct {
	url, token string
}

func (s *services) register(t *testing.T, email string) user {
	t.Helper()
	u := user{url: s.gateway}
	body := fmt.Sprintf(`{"email":%q,"password":"correct horse battery"}`, email)
	r, err := http.NewRequest("POST", s.gateway+"/register", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if status, text := send(t, r); status != http.StatusCreated {
		t.Fatalf("register: %d %s", status, text)
	}
	r, err = http.NewRequest("POST", s.gateway+"/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(email, "correct horse battery")
	status, token := send(t, r)
	if status != http.StatusOK {
		t.Fatalf("login: %d %s", status, token)
	}
	u.token = strings.TrimSpace(token)
	return u
}

type job struct {
	ID    string
	State string
	Error struct{ Code string }
	Audio struct{ Bytes int64 }
}

func (u user) upload(t *testing.T, path string) job {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := http.NewRequest("POST", u.url+"/upload?name="+filepath.Base(path), f)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "video/mp4")
	status, text := u.send(t, r)
	if status != http.StatusAccepted {
		t.Fatalf("upload: %d %s", status, text)
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	return j
}

func (u user) job(t *testing.T, id string) job {
	t.Helper()
	r, err := http.NewRequest("GET", u.url+"/jobs/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, text := u.send(t, r)
	if status != http.StatusOK {
		t.Fatalf("job: %d %s", status, text)
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	return j
}

func (u user) send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	r.Header.Set("Authorization", "Bearer "+u.token)
	return send(t, r)
}

func send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func eventually(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func video(t *testing.T, s samples.Spec) string {
	t.Helper()
	path, err := s.Path(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}
