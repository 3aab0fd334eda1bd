package login

import (
	"math"
	"strings"
	"testing"

	"github.com/kelseyhightower/envconfig"
)

func TestDefaultsAreValid(t *testing.T) {
	var cfg Config
	if err := envconfig.Process("", &cfg); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesTheVariable(t *testing.T) {
	for variable, change := range map[string]func(*Config){
		"REGISTRATION":                    func(c *Config) { c.Registration = "maybe" },
		"REGISTRATION_CODE":               func(c *Config) { c.Registration, c.RegistrationCode = "code", "too short" },
		"TOKEN_TTL":                       func(c *Config) { c.TokenTTL = 0 },
		"LOGIN_ACCOUNT_CLIENT_BURST":      func(c *Config) { c.PairBurst = 0 },
		"LOGIN_ACCOUNT_CLIENT_PER_MINUTE": func(c *Config) { c.PairRate = 0 },
		"LOGIN_ACCOUNT_BURST":             func(c *Config) { c.AccountBurst = 0 },
		"LOGIN_ACCOUNT_PER_MINUTE":        func(c *Config) { c.AccountRate = math.NaN() },
		"LOGIN_CLIENT_BURST":              func(c *Config) { c.ClientBurst = 0 },
		"LOGIN_CLIENT_PER_MINUTE":         func(c *Config) { c.ClientRate = 1e-3 },
		"LOGIN_HASH_WAIT":                 func(c *Config) { c.HashWait = -1 },
		"TRUSTED_HOPS":                    func(c *Config) { c.Proxies.Hops = -1 },
	} {
		cfg := testConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s: %v", variable, err)
		}
		if _, err := New(cfg, nil, testKeys); err == nil {
			t.Errorf("%s: New accepted it", variable)
		}
	}
}
