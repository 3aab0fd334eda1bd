package links

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/token"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func key(kid string, fill byte) string {
	return kid + ":" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(fill)), 32)))
}

func newLinks(t testing.TB, keys, publicURL string) Links {
	t.Helper()
	l, err := New(Config{Keys: keys, PublicURL: publicURL})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func job() jobs.Job {
	return jobs.Job{ID: "6650a1f2c4b8e90d1f3a7b21", Name: "my song?.mp4", LinkEpoch: 3, State: jobs.Done}
}

// tokenOf returns the token in a link.
func tokenOf(t testing.TB, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(u.EscapedPath(), "/")
	return parts[len(parts)-2]
}

func TestURL(t *testing.T) {
	for _, c := range []struct{ public, prefix string }{
		{"", "/links/"},
		{"https://mp3.example.com", "https://mp3.example.com/links/"},
		{"https://mp3.example.com/", "https://mp3.example.com/links/"},
		{"https://example.com/mp3/", "https://example.com/mp3/links/"},
	} {
		got := newLinks(t, key("a", 'x'), c.public).URL(job(), now)
		if !strings.HasPrefix(got, c.prefix) || !strings.HasSuffix(got, "/my%20song%3F.mp3") {
			t.Errorf("with PUBLIC_URL %q: %s", c.public, got)
		}
		if n := strings.Count(strings.TrimPrefix(got, c.prefix), "/"); n != 1 {
			t.Errorf("%d slashes after %s: %s", n, c.prefix, got)
		}
	}
}

func TestVerify(t *testing.T) {
	oldKey, newKey := key("old", 'o'), key("new", 'n')
	link := tokenOf(t, newLinks(t, oldKey, "").URL(job(), now.Add(time.Hour)))
	parts := strings.Split(link, ".")
	if len(parts) != 4 {
		t.Fatalf("token %q", link)
	}
	join := func(s ...string) string { return strings.Join(s, ".") }
	otherJob := job()
	otherJob.ID = "6650a1f2c4b8e90d1f3a7b22"
	foreign := strings.Split(tokenOf(t, newLinks(t, oldKey, "").URL(otherJob, now.Add(time.Hour))), ".")
	for name, c := range map[string]struct {
		keys, token string
		at          time.Time
		want        error
	}{
		"valid":                        {oldKey, link, now, nil},
		"to the last second":           {oldKey, link, now.Add(time.Hour - time.Second), nil},
		"expired":                      {oldKey, link, now.Add(time.Hour), ErrExpired},
		"a new key was put first":      {newKey + "," + oldKey, link, now, nil},
		"the key was removed":          {newKey, link, now, ErrInvalid},
		"removed, and the link is old": {newKey, link, now.Add(time.Hour), ErrInvalid},
		"another job":                  {oldKey, join(foreign[0], parts[1], parts[2], parts[3]), now, ErrInvalid},
		"another expiry":               {oldKey, join(parts[0], "9999999999", parts[2], parts[3]), now, ErrInvalid},
		"another epoch":                {oldKey, join(parts[0], parts[1], "4", parts[3]), now, ErrInvalid},
		"no signature":                 {oldKey, join(parts[0], parts[1], parts[2], ""), now, ErrInvalid},
		"half a signature":             {oldKey, join(parts[0], parts[1], parts[2], parts[3][:20]), now, ErrInvalid},
		"padded":                       {oldKey, link + "=", now, ErrInvalid},
		"a line break":                 {oldKey, link + "\n", now, ErrInvalid},
		"one part more":                {oldKey, link + ".", now, ErrInvalid},
		"one part less":                {oldKey, join(parts[0], parts[1], parts[3]), now, ErrInvalid},
		"a zero before the expiry":     {oldKey, join(parts[0], "0"+parts[1], parts[2], parts[3]), now, ErrInvalid},
		"empty":                        {oldKey, "", now, ErrInvalid},
		"huge":                         {oldKey, strings.Repeat("a", 1<<20), now, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newLinks(t, c.keys, "").Verify(c.token, c.at)
			if !errors.Is(err, c.want) {
				t.Fatalf("Verify: %v, want %v", err, c.want)
			}
			if want := (Link{Job: job().ID, Epoch: 3, ExpiresAt: now.Add(time.Hour)}); err == nil && got != want {
				t.Errorf("Verify: %+v, want %+v", got, want)
			}
			if err != nil && len(c.token) > 30 && strings.Contains(err.Error(), c.token[:30]) {
				t.Errorf("the error contains the token: %v", err)
			}
		})
	}
}

// The links of a job end with its epoch, its MP3 and its record.
func TestGrants(t *testing.T) {
	l := newLinks(t, key("a", 'x'), "")
	link, err := l.Verify(tokenOf(t, l.URL(job(), now)), now.Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	revoked := job()
	revoked.RevokeLinks()
	other := job()
	other.ID = "6650a1f2c4b8e90d1f3a7b22"
	failed := job()
	failed.State = jobs.Failed
	for name, c := range map[string]struct {
		job  jobs.Job
		want bool
	}{
		"the job": {job(), true}, "revoked": {revoked, false}, "another job": {other, false}, "no MP3": {failed, false},
	} {
		if got := link.Grants(c.job); got != c.want {
			t.Errorf("%s: Grants = %v, want %v", name, got, c.want)
		}
	}
}

// The holder of a link key cannot make a user's token, and no token is a link.
func TestLinksAreNoTokens(t *testing.T) {
	keys := key("a", 'x')
	k, err := token.ParseKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	l := newLinks(t, keys, "")
	if _, err := k.Verify(tokenOf(t, l.URL(job(), now.Add(time.Hour))), now); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a link as a token: %v", err)
	}
	raw, _, err := k.Issue("anna", "", time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Verify(raw, now); !errors.Is(err, ErrInvalid) {
		t.Errorf("a token as a link: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   string // in the error; "" for none
	}{
		"keys":              {Config{Keys: key("a", 'x')}, ""},
		"keys and address":  {Config{Keys: key("a", 'x'), PublicURL: "https://example.com"}, ""},
		"nothing":           {Config{}, "LINK_KEYS"},
		"a short key":       {Config{Keys: "a:YWJj"}, "LINK_KEYS"},
		"no address":        {Config{Keys: key("a", 'x'), PublicURL: "example.com"}, "PUBLIC_URL"},
		"address and query": {Config{Keys: key("a", 'x'), PublicURL: "https://example.com/?a=b"}, "PUBLIC_URL"},
		"address and ?":     {Config{Keys: key("a", 'x'), PublicURL: "https://example.com?"}, "PUBLIC_URL"},
	} {
		_, err := New(c.config)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if got := fmt.Sprintf("%+v", newLinks(t, key("a", 's'), "")); strings.Contains(got, "ssss") || strings.Contains(got, "115 115") {
		t.Errorf("printing reveals the key: %s", got)
	}
}

func FuzzVerify(f *testing.F) {
	l := newLinks(f, key("a", 'x'), "")
	valid := tokenOf(f, l.URL(job(), now.Add(time.Hour)))
	f.Add(valid)
	f.Add("6650a1f2c4b8e90d1f3a7b21.1.0.AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := l.Verify(s, now); err == nil && s != valid {
			t.Errorf("accepted %q", s)
		}
	})
}
