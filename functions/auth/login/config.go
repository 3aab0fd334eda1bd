package login

import (
	"errors"
	"fmt"
	"time"
)

// Config configures logins and registrations.
type Config struct {
	Registration string        `envconfig:"REGISTRATION" default:"open"` // open or closed
	TokenTTL     time.Duration `envconfig:"TOKEN_TTL" default:"24h"`     // tokens cannot be revoked

	// Rate limits for one account and for one client address: a burst, and
	// attempts per minute. Each pod counts separately.
	AccountBurst int     `envconfig:"LOGIN_ACCOUNT_BURST" default:"10"`
	AccountRate  float64 `envconfig:"LOGIN_ACCOUNT_PER_MINUTE" default:"10"`
	ClientBurst  int     `envconfig:"LOGIN_CLIENT_BURST" default:"60"`
	ClientRate   float64 `envconfig:"LOGIN_CLIENT_PER_MINUTE" default:"60"`

	// TrustedProxies lists the networks whose X-Forwarded-For is trusted, such
	// as 10.0.0.0/8,fd00::/8. If empty, the client's address is that of the
	// connection.
	TrustedProxies string `envconfig:"TRUSTED_PROXIES"`

	// HashWait bounds how long a login waits for a free hashing slot.
	HashWait time.Duration `envconfig:"LOGIN_HASH_WAIT" default:"5s"`
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	switch {
	case c.Registration != "open" && c.Registration != "closed":
		return fmt.Errorf("REGISTRATION must be open or closed, not %q", c.Registration)
	case c.TokenTTL < time.Minute:
		return errors.New("TOKEN_TTL must be at least 1m")
	case c.AccountBurst < 1:
		return errors.New("LOGIN_ACCOUNT_BURST must be at least 1")
	case !(c.AccountRate > 0):
		return errors.New("LOGIN_ACCOUNT_PER_MINUTE must be more than 0")
	case c.ClientBurst < 1:
		return errors.New("LOGIN_CLIENT_BURST must be at least 1")
	case !(c.ClientRate > 0):
		return errors.New("LOGIN_CLIENT_PER_MINUTE must be more than 0")
	case c.HashWait < 0:
		return errors.New("LOGIN_HASH_WAIT must not be negative")
	}
	_, err := parseProxies(c.TrustedProxies)
	return err
}
