package login

import (
	"errors"
	"fmt"
	"time"

	"mp3converter/shared/forwarded"
)

// Config configures logins and registrations.
type Config struct {
	Registration     string        `envconfig:"REGISTRATION" default:"open"` // open, code or closed
	RegistrationCode string        `envconfig:"REGISTRATION_CODE"`           // that a new account needs
	TokenTTL         time.Duration `envconfig:"TOKEN_TTL" default:"24h"`     // tokens cannot be revoked

	// Limits on attempts: a burst, and attempts per minute. All pods together count
	// those of one client at one account, those at one account, and those of one client.
	PairBurst    int     `envconfig:"LOGIN_ACCOUNT_CLIENT_BURST" default:"10"`
	PairRate     float64 `envconfig:"LOGIN_ACCOUNT_CLIENT_PER_MINUTE" default:"10"`
	AccountBurst int     `envconfig:"LOGIN_ACCOUNT_BURST" default:"100"`
	AccountRate  float64 `envconfig:"LOGIN_ACCOUNT_PER_MINUTE" default:"100"`
	ClientBurst  int     `envconfig:"LOGIN_CLIENT_BURST" default:"60"`
	ClientRate   float64 `envconfig:"LOGIN_CLIENT_PER_MINUTE" default:"60"`

	// Proxies finds the address of a client whose request does not come from the
	// gateway of a cluster.
	Proxies forwarded.Config

	// HashWait bounds how long a login waits for a free hashing slot.
	HashWait time.Duration `envconfig:"LOGIN_HASH_WAIT" default:"5s"`
}

// minRegistrationCode is in bytes. Guessing is throttled by client address only.
const minRegistrationCode = 12

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	switch {
	case c.Registration != "open" && c.Registration != "code" && c.Registration != "closed":
		return fmt.Errorf("REGISTRATION must be open, code or closed, not %q", c.Registration)
	case c.Registration == "code" && len(c.RegistrationCode) < minRegistrationCode:
		return fmt.Errorf("REGISTRATION_CODE must have at least %d characters if REGISTRATION is code", minRegistrationCode)
	case c.TokenTTL < time.Minute:
		return errors.New("TOKEN_TTL must be at least 1m")
	case c.HashWait < 0:
		return errors.New("LOGIN_HASH_WAIT must not be negative")
	}
	for _, l := range []struct {
		name      string
		burst     int
		perMinute float64
	}{
		{"LOGIN_ACCOUNT_CLIENT", c.PairBurst, c.PairRate},
		{"LOGIN_ACCOUNT", c.AccountBurst, c.AccountRate},
		{"LOGIN_CLIENT", c.ClientBurst, c.ClientRate},
	} {
		const day = 24 * 60 // minutes
		switch {
		case l.burst < 1:
			return fmt.Errorf("%s_BURST must be at least 1", l.name)
		case !(l.perMinute > 0):
			return fmt.Errorf("%s_PER_MINUTE must be more than 0", l.name)
		case float64(l.burst)/l.perMinute > day:
			return fmt.Errorf("%s_PER_MINUTE is too low: a burst must recover within a day", l.name)
		}
	}
	return c.Proxies.Validate()
}
