package webhooks

import (
	"slices"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestRotation(t *testing.T) {
	var s Settings
	check := func(when string, at time.Time, want ...string) {
		t.Helper()
		if got := s.SigningSecrets(at); !slices.Equal(got, want) {
			t.Errorf("%s: %v sign, want %v", when, got, want)
		}
	}
	check("before the first", start)
	s.AddSecret("a", start)
	check("with one", start.Add(1000*time.Hour), "a")
	s.AddSecret("b", start.Add(time.Hour))
	check("after the rotation", start.Add(time.Hour), "b", "a")
	check("at the end of the overlap", start.Add(time.Hour+SecretOverlap-time.Millisecond), "b", "a")
	check("after the overlap", start.Add(time.Hour+SecretOverlap), "b")
	s.AddSecret("c", start.Add(2*time.Hour))
	check("after another rotation", start.Add(2*time.Hour), "c", "b", "a")
	s.AddSecret("d", start.Add(100*time.Hour))
	if len(s.Secrets) != 2 {
		t.Errorf("%d secrets are kept, want those that sign", len(s.Secrets))
	}
	for range 10 {
		s.AddSecret("e", start.Add(101*time.Hour))
	}
	if len(s.Secrets) != maxSecrets {
		t.Errorf("%d secrets, want %d", len(s.Secrets), maxSecrets)
	}
}

func TestFailuresDisable(t *testing.T) {
	const url = "https://example.com/"
	since, now := start, start.Add(25*time.Hour)
	fail := func(s *Settings) { s.RecordFailure(url, since) }
	for name, c := range map[string]struct {
		before   func(s *Settings)
		disabled bool
	}{
		"nothing failed":          {func(*Settings) {}, false},
		"all failed":              {fail, true},
		"failed before":           {func(s *Settings) { s.RecordFailure(url, since.Add(-time.Hour)); fail(s) }, true},
		"one succeeded":           {func(s *Settings) { fail(s); s.RecordSuccess(url) }, false},
		"one succeeded meanwhile": {func(s *Settings) { fail(s); s.RecordSuccess(url); s.RecordFailure(url, since.Add(time.Hour)) }, false},
		"another URL":             {func(s *Settings) { fail(s); s.SetURL("https://example.net/") }, false},
		"another URL succeeded":   {func(s *Settings) { fail(s); s.RecordSuccess("https://example.net/") }, true},
		"enabled again":           {func(s *Settings) { fail(s); s.SetURL(url) }, false},
		"removed":                 {func(s *Settings) { fail(s); s.URL = "" }, false},
	} {
		s := Settings{URL: url}
		c.before(&s)
		err := s.Disable(url, "status 500", since, now)
		if disabled := !s.DisabledAt.IsZero(); disabled != c.disabled || (err == nil) != c.disabled {
			t.Errorf("%s: disabled %v (%v), want %v", name, disabled, err, c.disabled)
		}
		if c.disabled && (s.Active() || s.DisabledReason != "status 500") {
			t.Errorf("%s: %+v", name, s)
		}
		if s.SetURL(url); !s.Active() || s.DisabledReason != "" {
			t.Errorf("%s, then SetURL: %+v", name, s)
		}
	}
}
