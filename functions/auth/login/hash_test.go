package login

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/problem"
)

// cheap are parameters for fast tests.
var cheap = params{memory: 8, time: 1, threads: 1}

func TestHash(t *testing.T) {
	h := newHash(currentParams, "correct horse")
	s := h.String()
	if !strings.HasPrefix(s, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %s", s)
	}
	back, err := parseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	if !back.matches("correct horse") || back.matches("correct horsf") || back.matches("") {
		t.Error("the hash matches another password")
	}
	if other := newHash(currentParams, "correct horse").String(); other == s {
		t.Error("two hashes of one password are equal: the salt is missing")
	}
}

// The hash was made by the reference implementation:
// echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1
func TestReferenceImplementation(t *testing.T) {
	h, err := parseHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if err != nil {
		t.Fatal(err)
	}
	if !h.matches("password") {
		t.Error("does not match")
	}
}

func TestParseHashRejects(t *testing.T) {
	good := newHash(cheap, "x").String()
	for name, s := range map[string]string{
		"empty":           "",
		"plain text":      "password",
		"bcrypt":          "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"argon2i":         strings.Replace(good, "argon2id", "argon2i", 1),
		"another version": strings.Replace(good, "v=19", "v=16", 1),
		"no memory":       strings.Replace(good, "m=8", "m=0", 1),
		"too much memory": strings.Replace(good, "m=8", "m=4194304", 1),
		"no time":         strings.Replace(good, "t=1", "t=0", 1),
		"too much time":   strings.Replace(good, "t=1", "t=1000", 1),
		"no threads":      strings.Replace(good, "p=1", "p=0", 1),
		"negative":        strings.Replace(good, "m=8", "m=-8", 1),
		"short key":       good[:len(good)-4],
		"not base64":      good[:len(good)-1] + "!",
		"more fields":     good + "$x",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseHash(s); err == nil {
				t.Errorf("%q was accepted", s)
			}
		})
	}
}

// A pod that starts serves its first login at once.
func TestNewHasherDerivesNothing(t *testing.T) {
	before := derivations.Load()
	h := newHasher(currentParams, time.Minute)
	if n := derivations.Load() - before; n != 0 {
		t.Errorf("%d passwords hashed", n)
	}
	if parsed, err := parseHash(h.dummy); err != nil || parsed.params != currentParams || parsed.matches("dummy") {
		t.Errorf("dummy hash %s: %v", h.dummy, err)
	}
}

func TestOldHashIsUpgraded(t *testing.T) {
	h := newHasher(params{memory: 16, time: 1, threads: 1}, time.Minute)
	old := newHash(cheap, "password").String()
	if _, fresh, err := h.check(t.Context(), old, "wrong"); err != nil || fresh != "" {
		t.Errorf("wrong password: %q, %v", fresh, err)
	}
	right, fresh, err := h.check(t.Context(), old, "password")
	if err != nil || !right || fresh == "" {
		t.Fatalf("%v, %q, %v", right, fresh, err)
	}
	right, again, err := h.check(t.Context(), fresh, "password")
	if err != nil || !right || again != "" {
		t.Errorf("the upgraded hash: %v, %q, %v", right, again, err)
	}
}

func TestHasherIsBounded(t *testing.T) {
	h := newHasher(cheap, 10*time.Millisecond)
	for range cap(h.slots) {
		h.slots <- struct{}{} // all slots are in use
	}
	before := derivations.Load()
	_, err := h.hash(t.Context(), "password")
	var problemErr *problem.Error
	if !errors.As(err, &problemErr) || problemErr.Status != 503 || problemErr.RetryAfter <= 0 {
		t.Errorf("%v, want 503 with Retry-After", err)
	}
	h.wait = time.Minute
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := h.check(ended, h.dummy, "password"); !errors.Is(err, context.Canceled) {
		t.Errorf("client gone: %v", err)
	}
	if n := derivations.Load() - before; n != 0 {
		t.Errorf("%d passwords hashed without a free slot", n)
	}
}
