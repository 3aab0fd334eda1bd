// Package integration tests the functions as they run in a cluster, without the
// cluster: each is its own process, with real RabbitMQ, MySQL and MongoDB servers
// (or compatible ones). queuetest.RabbitmqSource delivers events as RabbitmqSource does.
package integration

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/client"
	"mp3converter/shared/queue"
	"mp3converter/shared/queue/queuetest"
	"mp3converter/test/mailtest"
	"mp3converter/test/mongotest"
	"mp3converter/test/mysqltest"
	"mp3converter/test/rabbitmqtest"
	"mp3converter/test/samples"
	"mp3converter/test/testproc"
)

// harness runs all functions and the servers they need.
type harness struct {
	binDir     string
	env        []string
	broker     *rabbitmqtest.Server
	mongodb    string
	recorders  map[string]*mongotest.Recorder // by function
	gatewayURL string
	converter  *function
	webhook    *webhook
	mails      *mailtest.Server
	userHooks  *userHooks
}

// function is the process of one function.
type function struct {
	cmd  *exec.Cmd
	port string
}

func start(t *testing.T) *harness {
	t.Helper()
	h := &harness{binDir: t.TempDir(), webhook: &webhook{calls: map[string]int{}}}
	build := exec.Command("go", "build", "-o", h.binDir, "mp3converter/functions/auth", "mp3converter/functions/gateway",
		"mp3converter/functions/converter", "mp3converter/functions/notification", "mp3converter/functions/janitor")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	key := make([]byte, 32)
	linkKey := make([]byte, 32)
	rand.Read(key)
	rand.Read(linkKey)
	h.broker = rabbitmqtest.Start(t)
	h.mongodb = mongotest.Start(t).URI
	h.recorders = map[string]*mongotest.Recorder{}
	for _, function := range []string{"gateway", "converter", "notification", "janitor"} {
		h.recorders[function] = mongotest.Record(t, h.mongodb)
	}
	h.userHooks = startUserHooks(t)
	hook := httptest.NewServer(h.webhook)
	t.Cleanup(hook.Close)
	h.env = append(os.Environ(),
		"HOST=127.0.0.1", "LOG_FORMAT=text",
		"TOKEN_KEYS=k1:"+base64.StdEncoding.EncodeToString(key),
		"LINK_KEYS=l1:"+base64.StdEncoding.EncodeToString(linkKey),
		"MYSQL_DSN="+mysqltest.Start(t).DSN,
		"WEBHOOK_URL="+hook.URL,
		"CONVERSIONS=2",
		// Short, so that lost wake-ups are repeated within the test.
		"LEASE=5s", "WAKE_AFTER=2s", "WAKE_MAX=4s", "RETRY_MAX=2s",
	)
	h.env = append(h.env, h.userHooks.env()...)
	auth := h.startFunction(t, "auth")
	h.gatewayURL = h.startFunction(t, "gateway", "AUTH_URL="+auth.url()).url()
	h.converter = h.startFunction(t, "converter")
	h.mails = mailtest.Start(t, mailtest.Config{})
	notification := h.startFunction(t, "notification", "PUBLIC_URL="+h.gatewayURL, "MAIL_FROM=mp3@example.com", "MAIL_TRUSTED=example.com",
		"SMTP_HOST="+h.mails.Host, fmt.Sprintf("SMTP_PORT=%d", h.mails.Port), "SMTP_TLS=none")
	for name, f := range map[string]*function{queue.Video.Name: h.converter, queue.MP3.Name: notification} {
		source := &queuetest.RabbitmqSource{URL: h.broker.UserURL("source-" + name), Queue: name, Sink: f.url(), Parallelism: 2, Retry: 3, Backoff: 50 * time.Millisecond}
		source.Start(t)
	}
	return h
}

func (f *function) url() string { return "http://127.0.0.1:" + f.port }

// startFunction starts a function on a free port and waits until it is ready.
func (h *harness) startFunction(t *testing.T, name string, env ...string) *function {
	t.Helper()
	f := &function{port: strconv.Itoa(testproc.FreePorts(t, 1)[0])}
	h.startProcess(t, f, name, env...)
	return f
}

// startProcess starts the process of a function, or restarts it after kill.
func (h *harness) startProcess(t *testing.T, f *function, name string, env ...string) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(h.binDir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(h.binDir, name))
	cmd.Env = append(h.environment(name), append(env, "PORT="+f.port)...)
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
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Minute, errors.New(name+" did not become ready"))
	defer cancel()
	if err := (&client.Client{BaseURL: f.url()}).WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

// environment returns the variables of a function, which has users of its own in the
// stores.
func (h *harness) environment(function string) []string {
	env := slices.Concat(h.env, []string{"RABBITMQ_URL=" + h.broker.UserURL(function)})
	if r := h.recorders[function]; r != nil {
		env = append(env, "MONGODB_URI="+r.URI)
	}
	return env
}

// stop sends SIGTERM and requires a clean exit.
func (f *function) stop(t *testing.T) {
	t.Helper()
	f.cmd.Process.Signal(syscall.SIGTERM)
	exited := make(chan error, 1)
	go func() { exited <- f.cmd.Wait() }()
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("%s: %v", f.cmd.Path, err)
		}
	case <-time.After(60 * time.Second):
		f.cmd.Process.Kill()
		t.Errorf("%s did not exit after SIGTERM", f.cmd.Path)
	}
}

// kill kills the process with SIGKILL, as the kernel does when memory runs out.
func (f *function) kill() {
	f.cmd.Process.Kill()
	f.cmd.Wait()
}

// runJanitor runs a task of the janitor once, as the CronJob does.
func (h *harness) runJanitor(t *testing.T, task string, env ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(h.binDir, "janitor"))
	cmd.Env = append(h.environment("janitor"), append(env, "TASKS="+task)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("janitor: %v\n%s", err, out) // it may fail while RabbitMQ restarts
	}
}

// webhook counts the notifications of each job.
type webhook struct {
	mu    sync.Mutex
	calls map[string]int
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, err := cloudevents.NewEventFromHTTPRequest(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls[e.Subject()]++
}

func (h *webhook) count(job string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[job]
}

// user is a registered user who is logged in. Its methods fail the test.
type user struct{ client.Client }

func (h *harness) register(t *testing.T, email string) *user {
	t.Helper()
	const password = "correct horse battery"
	u := &user{client.Client{BaseURL: h.gatewayURL}}
	if err := u.Register(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	if err := u.Login(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *user) upload(t *testing.T, video samples.Spec) client.Job {
	t.Helper()
	path, err := video.Path(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	j, err := u.Upload(t.Context(), filepath.Base(path), f)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (u *user) job(t *testing.T, id string) client.Job {
	t.Helper()
	j, err := u.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// getAudio requests a job's MP3.
func (u *user) getAudio(t *testing.T, id string, header http.Header) (status int, body string) {
	t.Helper()
	resp, err := u.Do(t.Context(), http.MethodGet, "/jobs/"+id+"/audio", header, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
