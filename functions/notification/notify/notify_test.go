package notify

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/emersion/go-smtp"

	"mp3converter/shared/conversion"
	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/links"
	webhookssqlite "mp3converter/shared/webhooks/sqlite"
	"mp3converter/test/toxic"
)

var policy = jobs.Policy{MaxAttempts: 3, MaxDeaths: 3, MaxAge: 24 * time.Hour, RetryMax: 10 * time.Second, Lease: time.Minute, Wake: time.Minute, WakeMax: time.Hour, Retention: time.Hour, UploadTTL: time.Hour}

func newStore(t testing.TB) jobs.Store {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// finishedAt is before the delay of the janitor, and not the time of sending.
var finishedAt = time.Now().Add(-10 * time.Second)

// finished stores a finished job.
func finished(t testing.TB, s jobs.Store, why *conversion.Failure) jobs.Job {
	t.Helper()
	now := finishedAt
	j := jobs.Job{ID: id.New(), Owner: "u1", Email: "user@example.com", Name: "Föhn\".mp4"}
	j.Enqueue(policy, now)
	if err := j.Claim(policy, "w", now); err != nil {
		t.Fatal(err)
	}
	end := func() error { return j.Complete(policy, "w", jobs.File{ID: id.New(), Size: 4_200_000}, now) }
	if why != nil {
		end = func() error { return j.Fail(policy, "w", why, now) }
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return j
}

func outcomeOf(t testing.TB, s jobs.Store, job string) string {
	t.Helper()
	j, err := s.Get(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return j.Notification.Outcome
}

// mailServer records the messages it receives, or rejects them.
type mailServer struct {
	mu       sync.Mutex
	messages []string
	reject   error

	certificates []tls.Certificate // for STARTTLS
}

func (l *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) { return l, nil }
func (l *mailServer) Reset()                                      {}
func (l *mailServer) Logout() error                               { return nil }
func (l *mailServer) Mail(string, *smtp.MailOptions) error        { return nil }
func (l *mailServer) Rcpt(string, *smtp.RcptOptions) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reject
}

func (l *mailServer) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, string(b))
	return err
}

func (l *mailServer) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.messages...)
}

func (l *mailServer) start(t testing.TB) MailConfig {
	t.Helper()
	srv := smtp.NewServer(l)
	srv.Domain = "localhost"
	if l.certificates != nil {
		srv.TLSConfig = &tls.Config{Certificates: l.certificates}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(listener)
	t.Cleanup(func() { srv.Close() })
	return mailConfig(listener.Addr().(*net.TCPAddr).Port)
}

// mailConfig returns the configuration for a mail server on this machine.
func mailConfig(port int) MailConfig {
	return MailConfig{Host: "127.0.0.1", Port: port, TLS: "none", From: "mp3@example.com", Timeout: toxic.Patience,
		PublicURL: "http://mp3converter.com", LinkTTL: 24 * time.Hour, Trusted: []string{"all"}, PerDay: 50}
}

func mailNotifier(t testing.TB, s jobs.Store, cfg MailConfig) *Notifier {
	t.Helper()
	return newNotifier(t, s, Config{Policy: policy, Mail: cfg})
}

// newNotifier returns a notifier with the given channels besides those of cfg, of which
// the fields that are not set have their defaults.
func newNotifier(t testing.TB, s jobs.Store, cfg Config, channels ...Channel) *Notifier {
	t.Helper()
	settings, err := webhookssqlite.Open(filepath.Join(t.TempDir(), "webhooks.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { settings.Close() })
	n, err := New(withDefaults(cfg), s, settings)
	if err != nil {
		t.Fatal(err)
	}
	n.channels = append(n.channels, channels...)
	return n
}

func withDefaults(cfg Config) Config {
	cfg.Period = cmp.Or(cfg.Period, 24*time.Hour)
	cfg.Webhook.Timeout = cmp.Or(cfg.Webhook.Timeout, 5*time.Second)
	if cfg.Receivers.Ports == nil {
		cfg.Receivers.Ports = []uint16{443, 80}
	}
	return cfg
}

func newMail(t testing.TB, cfg MailConfig) Channel {
	t.Helper()
	c, err := newMailChannel(cfg, links.Config{}, newStore(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMailIsSentOncePerJob(t *testing.T) {
	for name, c := range map[string]struct {
		why  *conversion.Failure
		want []string
	}{
		"done":   {nil, []string{"Subject: Your MP3 is ready\r\n", "Message-ID: <job-", "4.2 MB", "http://mp3converter.com", "To: <user@example.com>", "Date: " + finishedAt.UTC().Format(time.RFC1123Z)}},
		"failed": {conversion.NoAudio, []string{"no sound track", "error no_audio"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, box := newStore(t), &mailServer{}
			n := mailNotifier(t, s, box.start(t))
			j := finished(t, s, c.why)
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					if err := n.Notify(context.Background(), j.ID); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			messages := box.all()
			if len(messages) != 1 {
				t.Fatalf("%d messages, want 1", len(messages))
			}
			flat := strings.ReplaceAll(strings.ReplaceAll(messages[0], "=\r\n", ""), "=3D", "=")
			for _, want := range c.want {
				if !strings.Contains(flat, want) {
					t.Errorf("%q missing in\n%s", want, flat)
				}
			}
			if got := outcomeOf(t, s, j.ID); got != "sent" {
				t.Errorf("outcome %q", got)
			}
		})
	}
}

func TestNothingToNotify(t *testing.T) {
	s, box := newStore(t), &mailServer{}
	n := mailNotifier(t, s, box.start(t))
	queued := jobs.Job{ID: id.New()}
	queued.Enqueue(policy, time.Now())
	cancelled := jobs.Job{ID: id.New(), Email: "user@example.com"}
	cancelled.Enqueue(policy, time.Now())
	if err := cancelled.Cancel(policy, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, j := range []jobs.Job{queued, cancelled} {
		if err := s.Create(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	for name, job := range map[string]string{"queued": queued.ID, "cancelled": cancelled.ID, "unknown": id.New()} {
		if err := n.Notify(t.Context(), job); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l := box.all(); len(l) != 0 {
		t.Errorf("%d messages", len(l))
	}
}

func TestWithoutChannels(t *testing.T) {
	s := newStore(t)
	n := newNotifier(t, s, Config{Policy: policy})
	j := finished(t, s, nil)
	if err := n.Notify(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := outcomeOf(t, s, j.ID); got != "off" {
		t.Errorf("outcome %q", got)
	}
}

func TestPermanentAndTemporaryErrors(t *testing.T) {
	for name, c := range map[string]struct {
		reject  error
		outcome string
		retry   bool
	}{
		"permanent": {&smtp.SMTPError{Code: 550, Message: "no such user"}, "sent", false},
		"temporary": {&smtp.SMTPError{Code: 451, Message: "later"}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, box := newStore(t), &mailServer{reject: c.reject}
			n := mailNotifier(t, s, box.start(t))
			j := finished(t, s, nil)
			err := n.Notify(t.Context(), j.ID)
			if (err != nil) != c.retry {
				t.Errorf("error %v, want an error: %v", err, c.retry)
			}
			if got := outcomeOf(t, s, j.ID); got != c.outcome {
				t.Errorf("outcome %q, want %q", got, c.outcome)
			}
		})
	}
}

// fakeChannel fails a number of times and then counts its notifications.
type fakeChannel struct {
	name  string
	fails int
	sent  int
}

func (c *fakeChannel) Name() string { return c.name }
func (c *fakeChannel) Notify(context.Context, jobs.Job) error {
	if c.fails > 0 {
		c.fails--
		return errors.New("unavailable")
	}
	c.sent++
	return nil
}

// endDelay ends the delay after a failed attempt.
func endDelay(t testing.TB, s jobs.Store, job string) {
	t.Helper()
	if _, err := s.Update(t.Context(), job, func(j *jobs.Job) error {
		j.Notification.Lease = jobs.Lease{}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFailingChannelDoesNotRepeatOthers(t *testing.T) {
	s := newStore(t)
	good, bad := &fakeChannel{name: "good"}, &fakeChannel{name: "bad", fails: 2}
	n := newNotifier(t, s, Config{Policy: policy}, bad, good)
	j := finished(t, s, nil)
	for range 3 {
		n.Notify(t.Context(), j.ID)
		endDelay(t, s, j.ID)
	}
	if good.sent != 1 || bad.sent != 1 {
		t.Errorf("notified %d and %d times, want once each", good.sent, bad.sent)
	}
	if got := outcomeOf(t, s, j.ID); got != "sent" {
		t.Errorf("outcome %q", got)
	}
}

func TestHandlerStatus(t *testing.T) {
	s := newStore(t)
	broken := &fakeChannel{name: "dead", fails: 1000}
	n := newNotifier(t, s, Config{Policy: policy}, broken)
	j := finished(t, s, nil)
	post := func(e any) int {
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
		n.Handler().ServeHTTP(w, r)
		return w.Code
	}
	if got := post(events.New(events.JobFinished, "t", id.New())); got != 204 {
		t.Errorf("unknown job: %d", got)
	}
	if got := post(events.New(events.VideoUploaded, "t", j.ID)); got != 400 {
		t.Errorf("another function's event: %d", got)
	}
	if got := post(events.New(events.JobFinished, "t", j.ID)); got != 503 {
		t.Errorf("failing channel: %d", got)
	}
	broken.fails = 0
	if got := post(events.New(events.JobFinished, "t", j.ID)); got != 204 || broken.sent != 0 {
		t.Errorf("before the retry is due: %d, notified %d times", got, broken.sent)
	}
	endDelay(t, s, j.ID)
	if got := post(events.New(events.JobFinished, "t", j.ID)); got != 204 || broken.sent != 1 {
		t.Errorf("channel recovered: %d, notified %d times", got, broken.sent)
	}
}

// A server may close the connection at QUIT. It has accepted the message by then.
func TestMailIsSentIfQuitFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "220 localhost\r\n")
		data := false
		for lines := bufio.NewScanner(c); lines.Scan(); {
			verb := strings.ToUpper(lines.Text())
			switch {
			case data && verb != ".":
			case verb == "QUIT":
				return
			case verb == "DATA":
				data = true
				fmt.Fprint(c, "354 go on\r\n")
			default:
				data = false
				fmt.Fprint(c, "250 OK\r\n")
			}
		}
	}()
	m := newMail(t, mailConfig(listener.Addr().(*net.TCPAddr).Port))
	if err := m.Notify(t.Context(), finished(t, newStore(t), nil)); err != nil {
		t.Errorf("a delivered message would be sent again: %v", err)
	}
}

func TestMailWithoutAddress(t *testing.T) {
	box := &mailServer{}
	j := finished(t, newStore(t), nil)
	j.Email = ""
	if err := newMail(t, box.start(t)).Notify(t.Context(), j); err != nil || len(box.all()) > 0 {
		t.Errorf("%d messages, %v; want none and no error", len(box.all()), err)
	}
}

// A server that offers no login is not used without one.
func TestMailLogin(t *testing.T) {
	box := &mailServer{}
	cfg := box.start(t)
	cfg.Username, cfg.Password = "user", "password"
	if err := newMail(t, cfg).Notify(t.Context(), finished(t, newStore(t), nil)); err == nil || len(box.all()) > 0 {
		t.Errorf("%d messages, %v; want none and an error", len(box.all()), err)
	}
}

// What has been sent is recorded, also if the source closes the request meanwhile.
func TestResultOutlivesTheRequest(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := newNotifier(t, s, Config{Policy: policy}, channelFunc(func(context.Context, jobs.Job) error {
		cancel()
		return nil
	}))
	j := finished(t, s, nil)
	if err := n.Notify(ctx, j.ID); err != nil {
		t.Error(err)
	}
	if got := outcomeOf(t, s, j.ID); got != "sent" {
		t.Errorf("outcome %q", got)
	}
}
