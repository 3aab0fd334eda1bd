package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
	"mp3converter/shared/serve"
)

// MailConfig configures e-mail. Without a host no mail is sent.
type MailConfig struct {
	Host     string        `envconfig:"SMTP_HOST"`
	Port     int           `envconfig:"SMTP_PORT" default:"587"`
	Username string        `envconfig:"SMTP_USERNAME"`
	Password string        `envconfig:"SMTP_PASSWORD"`
	TLS      string        `envconfig:"SMTP_TLS" default:"mandatory"` // mandatory, opportunistic or none
	From     string        `envconfig:"MAIL_FROM"`
	Timeout  time.Duration `envconfig:"SMTP_TIMEOUT" default:"30s"` // for one message
	// PublicURL is the address of the gateway for users, linked in the mail.
	PublicURL string        `envconfig:"PUBLIC_URL"`
	LinkTTL   time.Duration `envconfig:"MAIL_LINK_TTL" default:"168h"` // of links to MP3s
	// Trusted are the addresses and domains to which mail may be sent.
	Trusted []string `envconfig:"MAIL_TRUSTED"`
	PerDay  int      `envconfig:"MAIL_PER_DAY" default:"50"` // to one address within jobs.MailWindow
}

const (
	// maxPerDay bounds the record of the mails to an address.
	maxPerDay = 1000
	// minLinkTTL is longer than most mails need to be delivered.
	minLinkTTL = time.Hour
)

var tlsPolicies = map[string]gomail.TLSPolicy{
	"mandatory": gomail.TLSMandatory, "opportunistic": gomail.TLSOpportunistic, "none": gomail.NoTLS,
}

// Validate returns an error that names the invalid variable.
func (c MailConfig) Validate() error {
	if c.Host == "" {
		return nil
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return fmt.Errorf("MAIL_FROM: %w", err)
	}
	if _, ok := tlsPolicies[c.TLS]; !ok {
		return fmt.Errorf("SMTP_TLS must be mandatory, opportunistic or none, not %q", c.TLS)
	}
	if c.Timeout < minTimeout {
		return fmt.Errorf("SMTP_TIMEOUT must be at least %v", minTimeout)
	}
	if c.PerDay < 1 || c.PerDay > maxPerDay {
		return fmt.Errorf("MAIL_PER_DAY must be between 1 and %d", maxPerDay)
	}
	if c.LinkTTL < minLinkTTL {
		return fmt.Errorf("MAIL_LINK_TTL must be at least %v", minLinkTTL)
	}
	if _, err := parseTrusted(c.Trusted); err != nil {
		return err
	}
	_, err := serve.ParseURL("PUBLIC_URL", c.PublicURL)
	return err
}

// mailChannel notifies users by e-mail.
type mailChannel struct {
	config  MailConfig
	trusted trusted
	links   *links.Links // nil without keys
	jobs    jobs.Store   // counts the mails
}

// newMailChannel returns nil if mail is not configured.
func newMailChannel(c MailConfig, linkConfig links.Config, j jobs.Store) (Channel, error) {
	if c.Host == "" {
		return nil, nil
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &mailChannel{config: c, jobs: j}
	var err error
	if m.trusted, err = parseTrusted(c.Trusted); err != nil {
		return nil, err
	}
	if linkConfig.Keys != "" {
		linkConfig.PublicURL = c.PublicURL
		l, err := links.New(linkConfig)
		if err != nil {
			return nil, err
		}
		m.links = &l
	}
	return m, nil
}

func (m *mailChannel) Name() string { return "mail" }

// Notify sends one message. If the connection breaks after the message and before the
// server's reply, the message is sent again later, although the server may have accepted
// it. Its Message-ID contains the job's identifier, so that the server can detect that.
func (m *mailChannel) Notify(ctx context.Context, j jobs.Job) error {
	if j.Email == "" {
		return nil
	}
	if !m.trusted.contains(j.Email) {
		return Skipped{"untrusted"}
	}
	ctx, cancel := context.WithTimeout(ctx, m.config.Timeout)
	defer cancel()
	count, err := m.jobs.CountMail(ctx, mailbox(j.Email), j.ID, m.config.PerDay, m.jobs.Now())
	switch {
	case errors.Is(err, jobs.ErrMailLimit):
		return Skipped{"capped"}
	case err != nil:
		return err
	}
	msg, err := m.message(j, count)
	if err != nil {
		return Permanent{err}
	}
	return m.send(ctx, msg)
}

// mailbox returns the address without the tag that most servers ignore: mails to
// ann+1@example.com and ann+2@example.com are counted together.
func mailbox(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if name, _, tagged := strings.Cut(local, "+"); tagged && name != "" {
		local = name
	}
	return local + "@" + domain
}

// send sends a message before ctx ends. An error is Permanent if the server refuses the
// recipient or the message for good. If it refuses the sender, as it does before a login
// that is missing, no message could be sent, and all are sent once the operator has
// corrected that.
func (m *mailChannel) send(ctx context.Context, msg *gomail.Msg) error {
	options := []gomail.Option{
		gomail.WithPort(m.config.Port), gomail.WithTLSPolicy(tlsPolicies[m.config.TLS]), gomail.WithTimeout(m.config.Timeout),
		gomail.WithDialContextFunc(dialUntil(ctx)),
	}
	if m.config.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(m.config.Username), gomail.WithPassword(m.config.Password))
	}
	client, err := gomail.NewClient(m.config.Host, options...)
	if err != nil {
		return fmt.Errorf("SMTP client: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if msg.IsDelivered() {
		return nil // only QUIT failed
	}
	var sendErr *gomail.SendError
	if errors.As(err, &sendErr) && sendErr.ErrorCode() >= 500 && sendErr.Reason != gomail.ErrSMTPMailFrom {
		return Permanent{err}
	}
	return err
}

// dialUntil returns a dial function whose connection is closed when ctx ends. The
// library's timeout begins several times during a message, and its context limits only
// the handshake.
func dialUntil(ctx context.Context) gomail.DialContextFunc {
	return func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		return conn, nil
	}
}
