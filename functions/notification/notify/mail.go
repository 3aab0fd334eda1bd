package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"

	"mp3converter/shared/jobs"
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
	PublicURL string `envconfig:"PUBLIC_URL"`
}

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
	_, err := serve.ParseURL("PUBLIC_URL", c.PublicURL)
	return err
}

// mailChannel notifies users by e-mail.
type mailChannel struct {
	config MailConfig
}

func (c MailConfig) newChannel() (Channel, error) {
	if c.Host == "" {
		return nil, nil
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &mailChannel{c}, nil
}

func (m *mailChannel) Name() string { return "mail" }

// Notify sends one message. If the connection breaks after the message and before the
// server's reply, the message is sent again later, although the server may have accepted
// it. Its Message-ID contains the job's identifier, so that the server can detect that.
func (m *mailChannel) Notify(ctx context.Context, j jobs.Job) error {
	if j.Email == "" {
		return nil
	}
	msg, err := m.message(j)
	if err != nil {
		return Permanent{err}
	}
	ctx, cancel := context.WithTimeout(ctx, m.config.Timeout)
	defer cancel()
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
	if errors.As(err, &sendErr) && sendErr.ErrorCode() >= 500 {
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

func (m *mailChannel) message(j jobs.Job) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := msg.From(m.config.From); err != nil {
		return nil, err
	}
	if err := msg.To(j.Email); err != nil {
		return nil, err
	}
	msg.SetMessageIDWithValue("job-" + j.ID + "@" + m.config.Host)
	msg.SetDateWithValue(j.FinishedAt)
	subject, text := messageText(j, m.config.PublicURL)
	msg.Subject(subject)
	msg.SetBodyString(gomail.TypeTextPlain, text)
	return msg, nil
}

// messageText returns the subject and the text of the mail.
func messageText(j jobs.Job, publicURL string) (subject, text string) {
	if j.State == jobs.Done {
		return "Your MP3 is ready: " + j.AudioName(), fmt.Sprintf(
			"Your video %q has been converted.\n\nLog in at %s to download %q (%.1f MB).\nIt is kept until %s.\n\nJob %s\n",
			j.Name, publicURL, j.AudioName(), float64(j.Audio.Size)/1e6, j.ExpiresAt.Format("2 January 2006, 15:04 MST"), j.ID)
	}
	return "Your video could not be converted: " + j.Name, fmt.Sprintf(
		"Your video %q could not be converted.\n\n%s\n\nJob %s, error %s\n", j.Name, j.Failure.Message, j.ID, j.Failure.Code)
}
