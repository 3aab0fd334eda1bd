package login

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/forwarded"
)

// from returns the header by which the gateway hands on the address of a client.
func from(address string) string {
	r := httptest.NewRequest("POST", "/", nil)
	forwarded.Set(r.Header, testKeys, address)
	return "X-Client-Address: " + r.Header.Get("X-Client-Address")
}

// try returns the status of a login.
func try(s *server, client, name, password string) int {
	return post(s, "/login", "", from(client), "Authorization: "+basic(name, password)).Code
}

// later makes time pass for the counts in the database and for the server.
func later(t *testing.T, s *server, d time.Duration) {
	t.Helper()
	age(t, s.users, d)
	now := s.now().Add(d)
	s.now = func() time.Time { return now }
}

// age makes time pass for the counts in the database.
func age(t *testing.T, u *Users, d time.Duration) {
	t.Helper()
	if _, err := u.db.Exec("UPDATE throttle SET expires_at = expires_at - ?", d.Microseconds()); err != nil {
		t.Fatal(err)
	}
}

func TestLoginIsThrottled(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"client":             func(c *Config) { c.ClientBurst, c.ClientRate = 2, 1 },
		"account and client": func(c *Config) { c.PairBurst, c.PairRate = 2, 1 },
		"account":            func(c *Config) { c.AccountBurst, c.AccountRate = 2, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			change(&cfg)
			s := start(t, cfg)
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
			later(t, s, time.Duration(seconds)*time.Second)
			if w := logIn(s, "me@example.com", password); w.Code != 200 {
				t.Errorf("after Retry-After: %d %s", w.Code, w.Body)
			}
		})
	}
}

// What is counted for one client or account does not affect another.
func TestThrottleDistinguishes(t *testing.T) {
	cfg := testConfig()
	cfg.ClientBurst, cfg.ClientRate = 3, 1
	cfg.PairBurst, cfg.PairRate = 2, 1
	s := start(t, cfg)
	for i, c := range []struct {
		client, name string
		want         int
	}{
		{"203.0.113.1", "me@example.com", 401},
		{"203.0.113.1", "me@example.com", 401},
		{"203.0.113.1", "me@example.com", 429},  // the limit of the pair
		{"203.0.113.1", "you@example.com", 401}, // another account
		{"203.0.113.1", "him@example.com", 429}, // the limit of the client
		{"203.0.113.2", "me@example.com", 401},  // another client
		{"2001:db8:1:1::1", "me@example.com", 401},
		{"2001:db8:1:1::2", "me@example.com", 401},
		{"2001:db8:1:1::3", "me@example.com", 429}, // the same network
		{"2001:db8:1:2::1", "me@example.com", 401}, // another network
	} {
		if got := try(s, c.client, c.name, "wrong"); got != c.want {
			t.Errorf("attempt %d, from %s at %s: %d, want %d", i+1, c.client, c.name, got, c.want)
		}
	}
}

// Guessing from one address, as fast as it may, does not lock out the user.
func TestGuessingDoesNotLockOut(t *testing.T) {
	cfg := testConfig()
	cfg.PairBurst, cfg.PairRate = 10, 10
	cfg.AccountBurst, cfg.AccountRate = 100, 100
	s := start(t, cfg)
	for i := range 120 { // two minutes
		try(s, "198.51.100.9", "me@example.com", "guess")
		later(t, s, time.Second)
		if i%30 == 0 {
			if got := try(s, "203.0.113.5", "me@example.com", password); got != 200 {
				t.Fatalf("after %d seconds: %d, want 200", i+1, got)
			}
		}
	}
}

// Guessing from many addresses exhausts the limit of the account. A client that has
// logged in before is let through; its own limits still apply.
func TestKnownClientPassesLimitOfAccount(t *testing.T) {
	cfg := testConfig()
	cfg.PairBurst, cfg.PairRate = 4, 1
	cfg.AccountBurst, cfg.AccountRate = 10, 1
	s := start(t, cfg)
	if got := try(s, "203.0.113.5", "me@example.com", password); got != 200 {
		t.Fatalf("before the attack: %d", got)
	}
	attack := func() {
		for i := range 12 {
			try(s, fmt.Sprintf("198.51.100.%d", i), "me@example.com", "guess")
		}
	}
	attack()
	check := func(client, name string, want int, what string) {
		t.Helper()
		if got := try(s, client, name, password); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	check("198.51.100.99", "me@example.com", 429, "a new client")
	check("203.0.113.5", "me@example.com", 200, "a known client")
	check("203.0.113.6", "me@example.com", 429, "a client with another address")
	if got := try(s, "203.0.113.5", "me@example.com", "guess"); got != 401 {
		t.Errorf("a wrong password of a known client: %d, want 401", got)
	}
	check("203.0.113.5", "me@example.com", 200, "a known client, fourth attempt")
	check("203.0.113.5", "me@example.com", 429, "a known client beyond its own limit")
	// The known client is known at this account only.
	for i := range 12 {
		try(s, fmt.Sprintf("198.51.100.%d", i), "you@example.com", "guess")
	}
	check("203.0.113.5", "you@example.com", 429, "the client at another account")
	// It is forgotten at last.
	later(t, s, knownClientAge)
	attack()
	check("203.0.113.5", "me@example.com", 429, "a client that has not logged in for long")
}

// A wrong password does not make a client known.
func TestOnlyLoginMakesClientKnown(t *testing.T) {
	cfg := testConfig()
	cfg.AccountBurst, cfg.AccountRate = 3, 1
	s := start(t, cfg)
	for range 3 {
		try(s, "203.0.113.5", "me@example.com", "wrong")
	}
	if got := try(s, "203.0.113.5", "me@example.com", password); got != 429 {
		t.Errorf("%d, want 429", got)
	}
}

// An attempt that is refused for the account counts against the client, or else it could
// cause a query with each.
func TestRefusedAttemptsCountAgainstClient(t *testing.T) {
	cfg := testConfig()
	cfg.ClientBurst, cfg.ClientRate = 5, 1
	cfg.AccountBurst, cfg.AccountRate = 1, 1
	s := start(t, cfg)
	for range 6 {
		try(s, "198.51.100.9", "me@example.com", "guess")
	}
	if got := try(s, "198.51.100.9", "you@example.com", "guess"); got != 429 {
		t.Errorf("another account: %d, want 429", got)
	}
}

// The responses to attempts at an unknown account are those at a known one, with and
// without throttling.
func TestThrottleTreatsUnknownUsersAlike(t *testing.T) {
	cfg := testConfig()
	cfg.PairBurst, cfg.PairRate = 2, 1
	cfg.AccountBurst, cfg.AccountRate = 4, 1
	responses := func(name string) (all []string) {
		s := start(t, cfg)
		for i := range 8 {
			w := post(s, "/login", "", from(fmt.Sprintf("198.51.100.%d", i/3)), "Authorization: "+basic(name, "wrong"))
			w.Header().Del("Retry-After") // depends on the speed of the machine
			all = append(all, fmt.Sprint(w.Code, w.Header(), w.Body))
		}
		return all
	}
	known := responses("me@example.com")
	for _, name := range []string{"you@example.com", "not an address", ""} {
		for i, got := range responses(name) {
			if got != known[i] {
				t.Errorf("%q, attempt %d:\n%s\nwant\n%s", name, i+1, got, known[i])
			}
		}
	}
}

// Two pods with one database count together.
func TestThrottleIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	pod := func() *server {
		users, err := OpenSQLite(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { users.Close() })
		cfg := testConfig()
		cfg.PairBurst, cfg.PairRate = 4, 1
		s, err := newServer(cfg, users, testKeys)
		if err != nil {
			t.Fatal(err)
		}
		s.hasher = newHasher(cheap, cfg.HashWait)
		return s
	}
	pods := []*server{pod(), pod()}
	for i := range 4 {
		if got := try(pods[i%2], "203.0.113.5", "me@example.com", "wrong"); got != 401 {
			t.Fatalf("attempt %d: %d", i+1, got)
		}
	}
	for i, s := range pods {
		if got := try(s, "203.0.113.5", "me@example.com", "wrong"); got != 429 {
			t.Errorf("pod %d: %d, want 429", i+1, got)
		}
	}
}

// Only the gateway is believed, as it has the key.
func TestClientAddress(t *testing.T) {
	for name, c := range map[string]struct {
		hops    int
		headers []string
		want    string
	}{
		"from the gateway":              {0, []string{from("203.0.113.5"), "X-Forwarded-For: 198.51.100.9"}, "203.0.113.5"},
		"from the gateway, IPv6":        {0, []string{from("2001:db8:1:2:3:4:5:6")}, "2001:db8:1:2::/64"},
		"forged":                        {0, []string{"X-Client-Address: 203.0.113.5 AAAA", "X-Forwarded-For: 203.0.113.5"}, "192.0.2.1"},
		"in one process":                {0, nil, "192.0.2.1"},
		"in one process, after a proxy": {1, []string{"X-Forwarded-For: 198.51.100.9, 203.0.113.5"}, "203.0.113.5"},
		"not an address":                {0, []string{from("@")}, "@"},
	} {
		cfg := testConfig()
		cfg.Proxies.Hops = c.hops
		s := &server{cfg: cfg, keys: testKeys}
		r := httptest.NewRequest("POST", "/login", nil)
		for _, h := range c.headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Add(name, value)
		}
		if got := s.client(r); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestRegistrationIsThrottled(t *testing.T) {
	cfg := testConfig()
	cfg.ClientBurst, cfg.ClientRate = 2, 1
	s := start(t, cfg)
	register := func(client, email string) int {
		return post(s, "/register", `{"email":"`+email+`","password":"12345678"}`, from(client), "Content-Type: application/json").Code
	}
	for i, want := range []int{201, 201, 429} {
		if got := register("203.0.113.5", fmt.Sprintf("new%d@example.com", i)); got != want {
			t.Errorf("registration %d: %d, want %d", i+1, got, want)
		}
	}
	if got := register("203.0.113.6", "other@example.com"); got != 201 {
		t.Errorf("from another address: %d, want 201", got)
	}
	if got := try(s, "203.0.113.5", "me@example.com", password); got != 429 {
		t.Errorf("login from the address of the registrations: %d, want 429", got)
	}
}

// A flood is refused from memory: with the database closed, queries would fail.
func TestFloodDoesNotReachDatabase(t *testing.T) {
	cfg := testConfig()
	cfg.ClientBurst, cfg.ClientRate = 1, 1
	s := start(t, cfg)
	for _, want := range []int{401, 429} {
		if got := try(s, "198.51.100.9", "me@example.com", "guess"); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	}
	s.users.Close()
	for i := range 10 {
		if got := try(s, "198.51.100.9", fmt.Sprintf("user%d@example.com", i), "guess"); got != 429 {
			t.Errorf("%d, want 429", got)
		}
	}
	if got := try(s, "198.51.100.10", "me@example.com", "guess"); got != 503 {
		t.Errorf("another client without the database: %d, want 503", got)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	now := time.Now()
	r := refusals{until: make(map[rowID]time.Time)}
	var last limit
	for i := range 3 * maxRefusals {
		last.id = rowID{byte(i), byte(i >> 8), byte(i >> 16)}
		r.add(refusal{last.id, time.Minute}, now)
	}
	if n := len(r.until); n > maxRefusals {
		t.Errorf("%d refusals are kept, want at most %d", n, maxRefusals)
	}
	if got := r.find([]limit{{}, last}, now); got.wait != time.Minute {
		t.Errorf("the last refusal: wait %v, want 1m", got.wait)
	}
	if got := r.find([]limit{last}, now.Add(time.Minute)); got.wait != 0 {
		t.Errorf("after a minute: wait %v, want 0", got.wait)
	}
}

// The database holds nothing from which an e-mail address or a client can be read, not
// even by trying all of them.
func TestCountsHoldNoNames(t *testing.T) {
	s := start(t, testConfig())
	const client, unknown = "203.0.113.5", "sesame@example.com"
	try(s, client, unknown, "guess")
	try(s, client, "me@example.com", password)
	rows, err := s.users.db.Query("SELECT id FROM throttle")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	ids := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids[id] = true
	}
	if want := 6; rows.Err() != nil || len(ids) != want { // client, 2 accounts, 2 pairs, known client
		t.Fatalf("%d rows, %v, want %d", len(ids), rows.Err(), want)
	}
	other := newThrottle(testConfig(), nil, otherKeys)
	for _, parts := range [][]string{{"client", client}, {"account", unknown}, {"account and client", unknown, client}} {
		if id := s.throttle.id(parts[0], parts[1:]...); !ids[string(id[:])] {
			t.Errorf("%q was not counted", parts)
		}
		if id := other.id(parts[0], parts[1:]...); ids[string(id[:])] {
			t.Errorf("the hash of %q does not depend on the key", parts)
		}
	}
	for id := range ids {
		for _, text := range []string{"sesame", "example.com", "203.0.113"} {
			if strings.Contains(id, text) {
				t.Errorf("a row contains %q: %q", text, id)
			}
		}
	}
}
