package notify

import (
	"strings"
	"testing"

	"mp3converter/test/mailtest"
)

// certificate returns a certificate of the trusted authority.
func certificate(t *testing.T, address string) *mailtest.Certificate {
	t.Helper()
	c, err := authority.Issue(address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A mail is sent only over a connection that the configuration allows. What the operator
// can correct loses no mail: it is sent afterwards.
func TestConnection(t *testing.T) {
	const user, password = "mp3", "correct-horse"
	secure := mailtest.Start(t, mailtest.Config{Certificate: certificate(t, "127.0.0.1"), Username: user, Password: password})
	foreign := mailtest.Start(t, mailtest.Config{Certificate: certificate(t, "127.0.0.2"), Username: user, Password: password})
	open := mailtest.Start(t, mailtest.Config{Username: user, Password: password})
	for name, c := range map[string]struct {
		server         *mailtest.Server
		tls            string
		user, password string
		sent           bool
	}{
		"STARTTLS and login":          {secure, "mandatory", user, password, true},
		"wrong password":              {secure, "mandatory", user, "battery-staple", false},
		"no login":                    {secure, "mandatory", "", "", false},
		"no TLS":                      {secure, "none", "", "", false},
		"password without TLS":        {open, "none", user, password, false},
		"certificate of another host": {foreign, "mandatory", user, password, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(c.server.Messages(t))
			cfg := mailConfig(c.server.Port)
			cfg.TLS, cfg.Username, cfg.Password = c.tls, c.user, c.password
			s := newStore(t)
			j := finished(t, s, nil)
			err := mailNotifier(t, s, cfg).Notify(t.Context(), j.ID)
			if (err == nil) != c.sent {
				t.Errorf("error %v, want the mail sent: %v", err, c.sent)
			}
			if err != nil && c.password != "" && strings.Contains(err.Error(), c.password) {
				t.Errorf("the error contains the password: %v", err)
			}
			if n := len(c.server.Messages(t)) - before; (n == 1) != c.sent {
				t.Errorf("%d mails, want one: %v", n, c.sent)
			}
			if got := outcomeOf(t, s, j.ID); (got == "sent") != c.sent {
				t.Errorf("outcome %q, want a retry unless the mail is sent", got)
			}
		})
	}
}

// A server that refuses the recipient for good is not asked again. What it refuses for now
// is sent later, and so is what it refuses because of the sender, which the operator can
// correct.
func TestRefusals(t *testing.T) {
	server := mailtest.Start(t, mailtest.Config{})
	for name, c := range map[string]struct {
		command string
		status  int
		retry   bool
	}{
		"mailbox unknown":         {mailtest.Recipient, 550, false},
		"mailbox busy":            {mailtest.Recipient, 450, true},
		"greylisted":              {mailtest.Recipient, 451, true},
		"server overloaded":       {mailtest.Sender, 421, true},
		"sender must log in":      {mailtest.Sender, 530, true},
		"sender is not permitted": {mailtest.Sender, 553, true},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(server.Messages(t))
			received := func() int { return len(server.Messages(t)) - before }
			s := newStore(t)
			n := mailNotifier(t, s, mailConfig(server.Port))
			j := finished(t, s, nil)

			server.Refuse(t, c.command, c.status)
			err := n.Notify(t.Context(), j.ID)
			server.Accept(t)
			if (err != nil) != c.retry || received() != 0 {
				t.Errorf("refused: %d mails, error %v; want none, and an error: %v", received(), err, c.retry)
			}
			endDelay(t, s, j.ID)
			if err := n.Notify(t.Context(), j.ID); err != nil {
				t.Errorf("accepted again: %v", err)
			}
			if got := received(); (got == 1) != c.retry {
				t.Errorf("accepted again: %d mails, want one: %v", got, c.retry)
			}
			if got := outcomeOf(t, s, j.ID); got != "sent" {
				t.Errorf("outcome %q", got)
			}
		})
	}
}
