package notify

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/test/toxic"
)

// channelFunc is a Channel.
type channelFunc func(ctx context.Context, j jobs.Job) error

func (f channelFunc) Name() string                                 { return "func" }
func (f channelFunc) Notify(ctx context.Context, j jobs.Job) error { return f(ctx, j) }

// slowStore is a store of records whose updates are answered late.
type slowStore struct {
	jobs.Store
	delay time.Duration
}

func (s slowStore) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	j, err := s.Store.Update(ctx, id, change)
	time.Sleep(s.delay)
	return j, err
}

// The lease begins when the record is written, which may be long before the answer.
func TestDeadlineIsWithinTheLease(t *testing.T) {
	s := slowStore{newStore(t), 300 * time.Millisecond}
	var deadline, lease time.Time
	n := newNotifier(t, s, Config{Policy: policy}, channelFunc(func(ctx context.Context, j jobs.Job) error {
		deadline, _ = ctx.Deadline()
		lease = j.Notification.Lease.Until
		return nil
	}))
	if err := n.Notify(t.Context(), finished(t, s.Store, nil).ID); err != nil {
		t.Fatal(err)
	}
	if late := deadline.Sub(lease); deadline.IsZero() || late > 100*time.Millisecond {
		t.Errorf("the deadline %v is %v after the end of the lease", deadline, late)
	}
}

// When the lease ends, the channel in use is interrupted and no other is used.
func TestNotifyingEndsWithTheLease(t *testing.T) {
	s := newStore(t)
	short := policy
	short.Lease = 100 * time.Millisecond
	second := &fakeChannel{name: "second"}
	n := newNotifier(t, s, Config{Policy: policy}, channelFunc(func(ctx context.Context, _ jobs.Job) error {
		<-ctx.Done()
		return ctx.Err()
	}), second)
	n.policy = short
	j := finished(t, s, nil)
	if err := toxic.Within(t, "Notify, with a lease of 100ms,", func() error { return n.Notify(t.Context(), j.ID) }); err == nil {
		t.Error("no error, so the rest would not be sent later")
	}
	if second.sent > 0 {
		t.Error("a channel was used after the lease had ended")
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"SMTP_TIMEOUT": func(c *Config) {
			c.Mail = MailConfig{Host: "h", From: "a@example.com", TLS: "none", PublicURL: "http://h", LinkTTL: time.Hour, Trusted: []string{"all"}, PerDay: 1}
		},
		"WEBHOOK_TIMEOUT":          func(c *Config) { c.Webhook.Timeout = time.Millisecond },
		"WEBHOOK_URL":              func(c *Config) { c.Webhook.URL = "example.com" },
		"WEBHOOK_SECRET":           func(c *Config) { c.Webhook.Secret = "secret" },
		"WEBHOOK_PORTS":            func(c *Config) { c.Receivers.Ports = []uint16{0} },
		"WEBHOOK_ALLOWED_NETWORKS": func(c *Config) { c.Receivers.AllowedNetworks = []string{"x"} },
		"NOTIFICATION_PERIOD":      func(c *Config) { c.Period = time.Second },
		"LINK_KEYS":                func(c *Config) { c.Links.Keys = "x" },
	} {
		cfg := withDefaults(Config{Policy: policy})
		change(&cfg)
		if _, err := New(cfg, nil, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want an error that names %s", err, name)
		}
	}
}

// A mail server that never greets.
func TestMailTimeout(t *testing.T) {
	cfg := rawServer(t, func(net.Conn) {})
	cfg.Timeout = 200 * time.Millisecond
	m := newMail(t, cfg)
	j := finished(t, newStore(t), nil)
	if err := toxic.Within(t, "a message with a limit of 200ms", func() error { return m.Notify(t.Context(), j) }); err == nil {
		t.Error("no error without a greeting")
	}
}

// The library applies its own time limit several times; the context is the limit of
// the whole. A message that is sent after it may be sent twice.
func TestMailEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	closed := make(chan error, 1)
	cfg := rawServer(t, func(c net.Conn) {
		fmt.Fprint(c, "220 localhost\r\n")
		for lines := bufio.NewScanner(c); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "NOOP") { // sent after the handshake
				cancel()
				c.SetReadDeadline(time.Now().Add(toxic.Patience))
				_, err := c.Read(make([]byte, 1))
				closed <- err
				return
			}
			fmt.Fprint(c, "250 OK\r\n")
		}
	})
	cfg.Timeout = 10 * toxic.Patience
	m := newMail(t, cfg)
	j := finished(t, newStore(t), nil)
	if err := toxic.Within(t, "a message whose context has ended", func() error { return m.Notify(ctx, j) }); err == nil {
		t.Error("no error")
	}
	if err, ok := (<-closed).(net.Error); ok && err.Timeout() {
		t.Error("the connection outlives the context")
	}
}

// rawServer runs serve for one connection and returns the configuration for it.
func rawServer(t *testing.T, serve func(net.Conn)) MailConfig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	t.Cleanup(func() { close(end); l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c)
		<-end
	}()
	return mailConfig(l.Addr().(*net.TCPAddr).Port)
}
