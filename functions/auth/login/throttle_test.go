package login

import (
	"fmt"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	th := newThrottle(6, 3) // one every ten seconds
	for i := range 3 {
		if wait := th.allow("a", now); wait != 0 {
			t.Fatalf("attempt %d must wait %v", i+1, wait)
		}
	}
	for range 5 { // a rejected attempt does not count
		if wait := th.allow("a", now); wait != 10*time.Second {
			t.Fatalf("wait %v, want 10s", wait)
		}
	}
	if wait := th.allow("b", now); wait != 0 {
		t.Error("another key is throttled too")
	}
	if wait := th.allow("a", now.Add(10*time.Second)); wait != 0 {
		t.Errorf("after ten seconds: wait %v", wait)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	th := newThrottle(1, 1)
	for i := range maxKeys {
		th.allow(fmt.Sprint(i), now)
	}
	th.allow("0", now)   // used again, so 1 is the least recently used
	th.allow("new", now) // exceeds maxKeys
	if len(th.keys) != maxKeys || th.order.Len() != maxKeys {
		t.Errorf("%d keys in the map, %d in the list, want %d", len(th.keys), th.order.Len(), maxKeys)
	}
	if th.allow("0", now) == 0 {
		t.Error("a recently used key was evicted")
	}
	if th.allow("1", now) != 0 {
		t.Error("the least recently used key was kept")
	}
}

func TestLoginIsThrottled(t *testing.T) {
	now := time.Now()
	for name, change := range map[string]func(*Config){
		"by account": func(c *Config) { c.AccountBurst, c.AccountRate = 2, 1 },
		"by address": func(c *Config) { c.ClientBurst, c.ClientRate = 2, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			change(&cfg)
			s := start(t, cfg)
			s.now = func() time.Time { return now }
			for range 2 {
				if w := logIn(s, "Me@example.com", "wrong password"); w.Code != 401 {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
			}
			before := derivations.Load()
			w := logIn(s, "me@example.com", password) // even with the right password
			if got := code(t, w); w.Code != 429 || got != "too_many_requests" {
				t.Fatalf("%d %s", w.Code, got)
			}
			seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
			if err != nil || seconds < 1 || seconds > 60 {
				t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
			}
			if derivations.Load() != before {
				t.Error("a throttled attempt was hashed")
			}
			s.now = func() time.Time { return now.Add(time.Duration(seconds) * time.Second) }
			if w := logIn(s, "me@example.com", password); w.Code != 200 {
				t.Errorf("after Retry-After: %d %s", w.Code, w.Body)
			}
		})
	}
	t.Run("unknown users like known ones", func(t *testing.T) {
		cfg := testConfig()
		cfg.AccountBurst, cfg.AccountRate = 1, 1
		s := start(t, cfg)
		for _, name := range []string{"you@example.com", "not an address"} {
			logIn(s, name, "x")
			if w := logIn(s, name, "x"); w.Code != 429 {
				t.Errorf("%s: %d", name, w.Code)
			}
		}
	})
}

func TestClient(t *testing.T) {
	for name, c := range map[string]struct {
		trusted, peer, forwarded, want string
	}{
		"direct":                              {"", "203.0.113.5:1000", "", "203.0.113.5"},
		"nobody is trusted":                   {"", "10.0.0.1:1000", "203.0.113.5", "10.0.0.1"},
		"one proxy":                           {"10.0.0.0/8", "10.0.0.1:1000", "203.0.113.5", "203.0.113.5"},
		"two proxies":                         {"10.0.0.0/8", "10.0.0.1:1000", "203.0.113.5, 10.0.0.2", "203.0.113.5"},
		"what the client claims is not read":  {"10.0.0.0/8", "10.0.0.1:1000", "198.51.100.9, 203.0.113.5", "203.0.113.5"},
		"a client that pretends to be a hop":  {"10.0.0.0/8", "203.0.113.5:1000", "198.51.100.9", "203.0.113.5"},
		"garbage before the proxy":            {"10.0.0.0/8", "10.0.0.1:1000", "x, 10.0.0.2", "10.0.0.2"},
		"trusted, but silent":                 {"10.0.0.0/8", "10.0.0.1:1000", "", "10.0.0.1"},
		"IPv6 counts by network":              {"", "[2001:db8:1:2:3:4:5:6]:1000", "", "2001:db8:1:2::/64"},
		"IPv4 within IPv6":                    {"10.0.0.0/8", "[::ffff:10.0.0.1]:1000", "::ffff:203.0.113.5", "203.0.113.5"},
		"within one process":                  {"", "inprocess", "", "inprocess"},
		"several networks, spaces around one": {"127.0.0.0/8, ::1/128", "[::1]:1000", "203.0.113.5,127.0.0.1", "203.0.113.5"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parseProxies(c.trusted)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "/login", nil)
			r.RemoteAddr = c.peer
			if c.forwarded != "" {
				r.Header.Set("X-Forwarded-For", c.forwarded)
			}
			if got := p.client(r); got != c.want {
				t.Errorf("client %s, want %s", got, c.want)
			}
		})
	}
}
