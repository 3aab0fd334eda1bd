package notify

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/webhooks"
	"mp3converter/test/dnstest"
	"mp3converter/test/toxic"
)

// lastError returns the error of the latest attempt at the user's webhook.
func lastError(t *testing.T, s jobs.Store, job string) string {
	t.Helper()
	d := delivery(t, s, job, jobs.TargetUser)
	return d.Log[len(d.Log)-1].Error
}

// attemptOnce attempts to deliver a message to url, which is http, and returns the
// recorded error.
func attemptOnce(t *testing.T, cfg Config, url string) (jobs.DeliveryState, string) {
	t.Helper()
	s := newStore(t)
	cfg.Policy = policy
	cfg.Receivers.AllowHTTP = true
	n := newNotifier(t, s, cfg)
	n.configure(t, url)
	j := finished(t, s, nil)
	toxic.Within(t, "Notify", func() error { n.Notify(t.Context(), j.ID); return nil })
	return delivery(t, s, j.ID, jobs.TargetUser).State, lastError(t, s, j.ID)
}

func portOf(t *testing.T, srv *httptest.Server) uint16 {
	t.Helper()
	return uint16(srv.Listener.Addr().(*net.TCPAddr).Port)
}

// Whatever a webhook is set to, a private address is not called. An error names neither
// the URL nor the address.
func TestPrivateReceiverIsNotCalled(t *testing.T) {
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer srv.Close()
	port := portOf(t, srv)
	p := ":" + strconv.Itoa(int(port))
	names := dnstest.Resolver(t, func(string, int) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}
	})
	for name, url := range map[string]string{
		"literal": "http://127.0.0.1" + p, "mapped": "http://[::ffff:127.0.0.1]" + p, "IPv6": "http://[::1]" + p, "a name": "http://internal.test" + p,
		"localhost": "http://localhost" + p, "unspecified": "http://0.0.0.0" + p, "metadata": "http://169.254.169.254" + p,
	} {
		cfg := Config{Receivers: webhooks.Receivers{Ports: []uint16{port}, Resolver: names}}
		state, reason := attemptOnce(t, cfg, url+"/token-of-the-path")
		if state != jobs.DeliveryPending || reason != webhooks.ErrNotPublic.Error() {
			t.Errorf("%s: %s, %q", name, state, reason)
		}
	}
	if calls.Load() != 0 {
		t.Errorf("called %d times", calls.Load())
	}
}

// The answers of the DNS server change between the first delivery and the next one.
func TestDNSRebinding(t *testing.T) {
	h := startHook(t)
	var answer atomic.Value
	answer.Store("127.0.0.1")
	cfg := h.config(t)
	cfg.Receivers.Resolver = dnstest.Resolver(t, func(string, int) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr(answer.Load().(string))}
	})
	s := newStore(t)
	n := hookNotifier(t, s, h, cfg)
	n.deliverer.userClient.Transport.(*http.Transport).DisableKeepAlives = true
	n.configure(t, "https://example.com:"+strconv.Itoa(int(portOf(t, h.Server)))+"/")
	for _, c := range []struct {
		address string
		want    string // error
	}{{"127.0.0.1", ""}, {"127.0.0.2", webhooks.ErrNotPublic.Error()}, {"10.0.0.1", webhooks.ErrNotPublic.Error()}, {"127.0.0.1", ""}} {
		answer.Store(c.address)
		j := finished(t, s, nil)
		n.Notify(t.Context(), j.ID)
		if got := lastError(t, s, j.ID); got != c.want {
			t.Errorf("the name leads to %s: %q, want %q", c.address, got, c.want)
		}
	}
	if got := len(h.all()); got != 2 {
		t.Errorf("%d messages, want 2", got)
	}
}

// A redirect is not followed, wherever it leads.
func TestRedirectIsNotFollowed(t *testing.T) {
	var calls atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer target.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.RedirectHandler(target.URL, status))
		defer srv.Close()
		cfg := Config{Receivers: webhooks.Receivers{Ports: []uint16{portOf(t, srv), portOf(t, target)}, AllowedNetworks: []string{"127.0.0.1/32"}}}
		state, reason := attemptOnce(t, cfg, srv.URL)
		if state != jobs.DeliveryPending || !strings.Contains(reason, "redirects are not followed") {
			t.Errorf("%d: %s, %q", status, state, reason)
		}
	}
	if calls.Load() != 0 {
		t.Errorf("followed %d times", calls.Load())
	}
}

// Neither the log of an attempt nor the error of Notify contains a part of the URL.
func TestErrorsOfAttempts(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	silent := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silent }))
	defer slow.Close()
	defer close(silent)
	hangUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangUp.Close()
	untrusted := httptest.NewTLSServer(nil)
	defer untrusted.Close()
	plain := httptest.NewServer(nil)
	defer plain.Close()
	noNames := dnstest.Resolver(t, func(string, int) []netip.Addr { return nil })
	for name, c := range map[string]struct {
		srv       *httptest.Server
		url, want string
	}{
		"refused":     {closed, closed.URL, "refused"},
		"timeout":     {slow, slow.URL, "in time"},
		"hang-up":     {hangUp, hangUp.URL, "connection failed"},
		"certificate": {untrusted, untrusted.URL, "certificate"},
		"no TLS":      {plain, strings.Replace(plain.URL, "http:", "https:", 1), "TLS"},
		"no address":  {plain, "http://nothing.test:" + strconv.Itoa(int(portOf(t, plain))), "no address"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{
				Webhook:   WebhookConfig{Timeout: 300 * time.Millisecond},
				Receivers: webhooks.Receivers{Ports: []uint16{portOf(t, c.srv)}, AllowedNetworks: []string{"127.0.0.1/32"}, Resolver: noNames},
			}
			if c.srv != slow {
				cfg.Webhook.Timeout = 10 * time.Second
			}
			state, reason := attemptOnce(t, cfg, c.url+"/token-of-the-path")
			if state != jobs.DeliveryPending || !strings.Contains(reason, c.want) || strings.Contains(reason, "token-of") || strings.Contains(reason, "127.0.0.1") {
				t.Errorf("%s, %q; want %q and no part of the URL", state, reason, c.want)
			}
		})
	}
}

// The status decides; the body may be of any length.
func TestEndlessResponse(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	defer srv.CloseClientConnections()
	cfg := Config{
		Webhook:   WebhookConfig{Timeout: 10 * toxic.Patience},
		Receivers: webhooks.Receivers{Ports: []uint16{portOf(t, srv)}, AllowedNetworks: []string{"127.0.0.1/32"}},
	}
	if state, reason := attemptOnce(t, cfg, srv.URL); state != jobs.DeliveryDelivered {
		t.Errorf("%s, %q", state, reason)
	}
}
