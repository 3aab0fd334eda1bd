package notify

import (
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
	"mp3converter/shared/webhooks"
)

// hook is a receiver of webhooks that serves TLS and records the messages.
type hook struct {
	*httptest.Server
	mu       sync.Mutex
	messages []hookMessage
	status   atomic.Int64 // of the responses
}

type hookMessage struct {
	path   string
	header http.Header
	body   []byte
}

func startHook(t testing.TB) *hook {
	t.Helper()
	h := &hook{}
	h.status.Store(http.StatusNoContent)
	h.Server = httptest.NewTLSServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	h.messages = append(h.messages, hookMessage{r.URL.Path, r.Header.Clone(), body})
	h.mu.Unlock()
	w.WriteHeader(int(h.status.Load()))
}

func (h *hook) all() []hookMessage {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]hookMessage(nil), h.messages...)
}

// to returns the messages to a path.
func (h *hook) to(path string) []hookMessage {
	var found []hookMessage
	for _, m := range h.all() {
		if m.path == path {
			found = append(found, m)
		}
	}
	return found
}

func (m hookMessage) verify(t testing.TB, secret string) {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(m.body, m.header); err != nil {
		t.Errorf("message to %s: %v", m.path, err)
	}
}

// config returns a configuration that permits the address and the port of the hook.
func (h *hook) config(t testing.TB) Config {
	t.Helper()
	_, port, err := net.SplitHostPort(h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	return Config{
		Policy:    policy,
		Receivers: webhooks.Receivers{Ports: []uint16{uint16(n)}, AllowedNetworks: []string{"127.0.0.1/32"}},
		Links:     links.Config{Keys: "k:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("l", 32))), PublicURL: "https://mp3.example.com"},
	}
}

// hookNotifier returns a notifier that trusts the certificate of the hook.
func hookNotifier(t testing.TB, s jobs.Store, h *hook, cfg Config) *Notifier {
	t.Helper()
	n := newNotifier(t, s, cfg)
	n.trust(h)
	return n
}

func (n *Notifier) trust(h *hook) {
	roots := h.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	n.deliverer.userClient.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	operator := http.DefaultTransport.(*http.Transport).Clone()
	operator.TLSClientConfig = &tls.Config{RootCAs: roots}
	n.deliverer.operatorClient.Transport = operator
}

// configure sets the user's webhook and returns the secret.
func (n *Notifier) configure(t testing.TB, url string) string {
	t.Helper()
	secret := webhooks.NewSecret()
	n.change(t, func(s *webhooks.Settings) { s.SetURL(url); s.AddSecret(secret, time.Now()) })
	return secret
}

func (n *Notifier) change(t testing.TB, change func(*webhooks.Settings)) {
	t.Helper()
	if _, err := n.settings.Update(t.Context(), "u1", func(s *webhooks.Settings) error { change(s); return nil }); err != nil {
		t.Fatal(err)
	}
}

func (n *Notifier) userSettings(t testing.TB) webhooks.Settings {
	t.Helper()
	s, err := n.settings.Get(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// withNotifyURL sets the notify_url of a stored job.
func withNotifyURL(t testing.TB, s jobs.Store, j jobs.Job, url string) {
	t.Helper()
	if _, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { j.NotifyURL = url; return nil }); err != nil {
		t.Fatal(err)
	}
}

// delivery returns the delivery of a job to a target.
func delivery(t testing.TB, s jobs.Store, job, target string) jobs.Delivery {
	t.Helper()
	j, err := s.Get(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range j.Deliveries {
		if d.Target == target {
			return d
		}
	}
	t.Fatalf("job has no delivery to %s: %+v", target, j.Deliveries)
	return jobs.Delivery{}
}

// fakeClock is a store with a clock of the test's.
type fakeClock struct {
	jobs.Store
	mu  sync.Mutex
	now time.Time
}

func (s *fakeClock) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *fakeClock) set(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}
