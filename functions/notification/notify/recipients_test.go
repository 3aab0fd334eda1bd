package notify

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/links"
	"mp3converter/test/mailtest"
)

// twoNotifiers returns notifiers with the same records, like those of two pods.
func twoNotifiers(t *testing.T, cfg MailConfig) (jobs.Store, [2]*Notifier) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.db")
	var stores [2]jobs.Store
	var notifiers [2]*Notifier
	for i := range notifiers {
		s, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stores[i], notifiers[i] = s, mailNotifier(t, s, cfg)
	}
	return stores[0], notifiers
}

func TestTwoNotifiersSendOneMail(t *testing.T) {
	server := mailtest.Start(t, mailtest.Config{})
	s, notifiers := twoNotifiers(t, mailConfig(server.Port))
	j := finished(t, s, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := notifiers[i%2].Notify(t.Context(), j.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	one(t, server, j)
}

// However many notifiers there are, an address is sent no more mails than MAIL_PER_DAY,
// also if its user deletes the jobs. The last one says so.
func TestMailsPerDay(t *testing.T) {
	server := mailtest.Start(t, mailtest.Config{})
	cfg := mailConfig(server.Port)
	cfg.PerDay = 3
	s, notifiers := twoNotifiers(t, cfg)
	capped := func() float64 { return testutil.ToFloat64(notifications.WithLabelValues("mail", "capped")) }
	before := capped()
	finishedFor := func(email string) jobs.Job {
		return changed(t, s, finished(t, s, nil), func(j *jobs.Job) { j.Email = email })
	}
	const jobCount = 8
	var wg sync.WaitGroup
	for i := range jobCount {
		j := finishedFor(fmt.Sprintf("ann+%d@example.com", i)) // one mailbox
		wg.Go(func() {
			if err := notifiers[i%2].Notify(t.Context(), j.ID); err != nil {
				t.Error(err)
			}
			if got := outcomeOf(t, s, j.ID); got != "sent" {
				t.Errorf("outcome %q, so the mail would be attempted again", got)
			}
			if err := s.Delete(t.Context(), j.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	messages := server.Messages(t)
	last := 0
	for _, m := range messages {
		if strings.Contains(m.Text, "This is mail 3 to this address") && strings.Contains(m.HTML, "This is mail 3 to this address") {
			last++
		}
	}
	if len(messages) != cfg.PerDay || last != 1 {
		t.Errorf("%d mails, of which %d say that they are the last; want %d and one", len(messages), last, cfg.PerDay)
	}
	if got := capped() - before; got != jobCount-3 {
		t.Errorf("the metric counts %v capped mails, want %d", got, jobCount-3)
	}

	other := finishedFor("bob@example.com")
	if err := notifiers[0].Notify(t.Context(), other.ID); err != nil {
		t.Error(err)
	}
	one(t, server, other)
}

// A mail that is attempted again counts once.
func TestRetriedMailCountsOnce(t *testing.T) {
	server := mailtest.Start(t, mailtest.Config{})
	cfg := mailConfig(server.Port)
	cfg.PerDay = 1
	s := newStore(t)
	n := mailNotifier(t, s, cfg)
	j := finished(t, s, nil)
	server.Refuse(t, mailtest.Recipient, 450)
	for range 3 {
		if err := n.Notify(t.Context(), j.ID); err == nil {
			t.Error("no error from a server that refuses")
		}
		endDelay(t, s, j.ID)
	}
	server.Accept(t)
	if err := n.Notify(t.Context(), j.ID); err != nil {
		t.Error(err)
	}
	one(t, server, j)
}

func TestTrustedAddresses(t *testing.T) {
	server := mailtest.Start(t, mailtest.Config{})
	for name, c := range map[string]struct {
		trusted string
		email   string
		sent    bool
	}{
		"all":                  {"all", "ann@example.com", true},
		"address":              {"bob@example.com,Ann@Example.com", "ann@example.com", true},
		"another address":      {"bob@example.com", "ann@example.com", false},
		"domain":               {"example.org, example.com", "ann@example.com", true},
		"domain with @":        {"@example.com", "ann@example.com", true},
		"another domain":       {"example.org", "ann@example.com", false},
		"subdomain":            {"example.com", "ann@mail.example.com", false},
		"end of a domain":      {"example.com", "ann@notexample.com", false},
		"tagged address":       {"ann@example.com", "ann+eve@example.com", false},
		"domain in local part": {"example.com", "example.com@example.org", false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(server.Messages(t))
			cfg := mailConfig(server.Port)
			cfg.Trusted = strings.Split(c.trusted, ",")
			s := newStore(t)
			j := changed(t, s, finished(t, s, nil), func(j *jobs.Job) { j.Email = c.email })
			if err := mailNotifier(t, s, cfg).Notify(t.Context(), j.ID); err != nil {
				t.Error(err)
			}
			if n := len(server.Messages(t)) - before; (n == 1) != c.sent {
				t.Errorf("MAIL_TRUSTED=%s: %d mails to %s, want one: %v", c.trusted, n, c.email, c.sent)
			}
		})
	}
}

// An address that is not trusted is sent nothing, and the channel says so.
func TestSkippedIsNoError(t *testing.T) {
	cfg := mailConfig(1)
	cfg.Trusted = []string{"example.org"}
	var skipped Skipped
	if err := newMail(t, cfg).Notify(t.Context(), finished(t, newStore(t), nil)); !errors.As(err, &skipped) || skipped.Result != "untrusted" {
		t.Errorf("%v, want Skipped as untrusted", err)
	}
}

func TestMailConfigErrors(t *testing.T) {
	for name, c := range map[string]struct {
		want   string
		change func(*MailConfig)
	}{
		"nobody is trusted":      {"MAIL_TRUSTED is required", func(c *MailConfig) { c.Trusted = nil }},
		"no domain":              {"MAIL_TRUSTED", func(c *MailConfig) { c.Trusted = []string{"example.com", ""} }},
		"no address":             {"MAIL_TRUSTED", func(c *MailConfig) { c.Trusted = []string{"ann@"} }},
		"two in one":             {"MAIL_TRUSTED", func(c *MailConfig) { c.Trusted = []string{"example.com example.org"} }},
		"no mails":               {"MAIL_PER_DAY", func(c *MailConfig) { c.PerDay = 0 }},
		"too many mails":         {"MAIL_PER_DAY", func(c *MailConfig) { c.PerDay = maxPerDay + 1 }},
		"short links":            {"MAIL_LINK_TTL", func(c *MailConfig) { c.LinkTTL = time.Minute }},
		"no sender":              {"MAIL_FROM", func(c *MailConfig) { c.From = "" }},
		"no address of the page": {"PUBLIC_URL", func(c *MailConfig) { c.PublicURL = "" }},
	} {
		cfg := mailConfig(25)
		c.change(&cfg)
		if _, err := newMailChannel(cfg, links.Config{}, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that contains %s", name, err, c.want)
		}
	}
	if _, err := newMailChannel(mailConfig(25), links.Config{Keys: "short"}, nil); err == nil || !strings.Contains(err.Error(), "LINK_KEYS") {
		t.Errorf("invalid keys: error %v, want one that names LINK_KEYS", err)
	}
}
