package notify

import (
	"encoding/base64"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
	"mp3converter/test/mailtest"
)

// changed changes a record in the store.
func changed(t testing.TB, s jobs.Store, j jobs.Job, change func(*jobs.Job)) jobs.Job {
	t.Helper()
	j, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { change(j); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// one returns the only mail about a job.
func one(t testing.TB, server *mailtest.Server, j jobs.Job) mailtest.Message {
	t.Helper()
	found := server.About(t, j.ID)
	if len(found) != 1 {
		t.Fatalf("%d mails about the job, want one", len(found))
	}
	return found[0]
}

func subject(t testing.TB, m mailtest.Message) string {
	t.Helper()
	s, err := m.Header.Subject()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fields are the names of the header fields, sorted.
func fields(m mailtest.Message) []string {
	var names []string
	for f := m.Header.Fields(); f.Next(); {
		names = append(names, f.Key())
	}
	slices.Sort(names)
	return names
}

var tag = regexp.MustCompile(`<[^>]*>`)

var linkConfig = links.Config{Keys: "a:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))}

func TestMessage(t *testing.T) {
	server := mailtest.Start(t, mailtest.Config{})
	const page = "https://mp3.example.com/app"
	for name, c := range map[string]struct {
		why     *conversion.Failure
		keys    links.Config
		kept    time.Duration // the job
		ttl     time.Duration // of links
		subject string
		want    []string
		absent  []string
	}{
		"done, with a link as long as the MP3": {nil, linkConfig, time.Hour, 24 * time.Hour, "Your MP3 is ready",
			[]string{"Föhn", "4.2 MB", finishedAt.Add(time.Hour).UTC().Format("2 January 2006, 15:04"), page + "/links/"}, []string{"Log in", "kept longer", "last one"}},
		"done, with a link that ends first": {nil, linkConfig, 2 * time.Hour, time.Hour, "Your MP3 is ready",
			[]string{page + "/links/", "kept longer", finishedAt.Add(time.Hour).UTC().Format("2 January 2006, 15:04"), finishedAt.Add(2 * time.Hour).UTC().Format("2 January 2006, 15:04")}, []string{"last one"}},
		"done, without keys": {nil, links.Config{}, time.Hour, 24 * time.Hour, "Your MP3 is ready", []string{"Log in", page, "4.2 MB"}, []string{"/links/"}},
		"failed": {conversion.NoAudio, linkConfig, time.Hour, 24 * time.Hour, "Your video could not be converted",
			[]string{"Föhn", conversion.NoAudio.Message, advice["no_audio"], "error no_audio", page}, []string{"/links/", "Kept until", "MP3:", "Tag"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			cfg := Config{Policy: policy, Mail: mailConfig(server.Port), Links: c.keys}
			cfg.Mail.PublicURL, cfg.Mail.LinkTTL, cfg.Mail.From = page, c.ttl, "MP3 <mp3@example.com>"
			n := newNotifier(t, s, cfg)
			j := changed(t, s, finished(t, s, c.why), func(j *jobs.Job) { j.ExpiresAt = j.FinishedAt.Add(c.kept) })
			if err := n.Notify(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			m := one(t, server, j)
			if !slices.Equal(m.Types, []string{"text/plain", "text/html"}) {
				t.Errorf("parts %v", m.Types)
			}
			if got := subject(t, m); got != c.subject {
				t.Errorf("subject %q, want %q", got, c.subject)
			}
			if got := m.Header.Get("Auto-Submitted"); got != "auto-generated" {
				t.Errorf("Auto-Submitted: %q", got)
			}
			html := strings.ReplaceAll(m.HTML, "&#39;", "'")
			for kind, body := range map[string]string{"text": m.Text, "HTML": html} {
				for _, want := range c.want {
					if !strings.Contains(body, want) {
						t.Errorf("%q is missing in the %s:\n%s", want, kind, body)
					}
				}
				for _, absent := range c.absent {
					if strings.Contains(body, absent) {
						t.Errorf("%q is in the %s:\n%s", absent, kind, body)
					}
				}
			}
			for _, remote := range []string{"<img", "<script", "<link", "<iframe", "src=", "url(", "@import"} {
				if strings.Contains(m.HTML, remote) {
					t.Errorf("the HTML loads something: %s", remote)
				}
			}
		})
	}
}

// The link in both parts leads to the MP3, until the time that the mail names.
func TestMessageLink(t *testing.T) {
	server := mailtest.Start(t, mailtest.Config{})
	s := newStore(t)
	n := newNotifier(t, s, Config{Policy: policy, Mail: mailConfig(server.Port), Links: linkConfig})
	j := finished(t, s, nil)
	if err := n.Notify(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	verifier, err := links.New(linkConfig)
	if err != nil {
		t.Fatal(err)
	}
	m := one(t, server, j)
	pattern := regexp.MustCompile(`http://mp3converter\.com/links/[^\s"<]+`)
	text, html := pattern.FindString(m.Text), pattern.FindString(m.HTML)
	for kind, link := range map[string]string{"text": text, "HTML": html} {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		token, _, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/links/"), "/")
		got, err := verifier.Verify(token, j.ExpiresAt.Add(-time.Second))
		if err != nil || !got.Grants(j) {
			t.Errorf("%s: the link %s does not lead to the MP3: %v", kind, link, err)
		}
		if _, err := verifier.Verify(token, j.ExpiresAt); err == nil {
			t.Errorf("%s: the link is valid after the MP3 has expired", kind)
		}
	}
}

// Whatever the name of a file, the mail has the same header and the same elements.
func TestHostileNames(t *testing.T) {
	server := mailtest.Start(t, mailtest.Config{})
	s := newStore(t)
	n := mailNotifier(t, s, mailConfig(server.Port))
	send := func(t *testing.T, name string) mailtest.Message {
		t.Helper()
		j := changed(t, s, finished(t, s, nil), func(j *jobs.Job) { j.Name, j.Tag = name, name })
		if err := n.Notify(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		return one(t, server, j)
	}
	plain := send(t, "holiday.mp4")
	if !strings.Contains(plain.Text, "holiday.mp3") {
		t.Fatalf("no name in\n%s", plain.Text)
	}
	for name, c := range map[string]struct{ file, want string }{
		"line breaks":       {"a\r\nBcc: eve@example.com\r\n\r\nb.mp4", "a Bcc: eve@example.com b.mp4"},
		"end of the mail":   {"a\r\n.\r\nMAIL FROM:<eve@example.com>.mp4", "a . MAIL FROM:<eve@example.com>.mp4"},
		"other line breaks": {"a\u2028b\u2029c\u0085d\x00\x1be.mp4", "a b c d e.mp4"},
		"bidi":              {"a\u202e4pm.exe\u2066\u200f\u061c.mp4", "a4pm.exe.mp4"},
		"invisible":         {"pay\u200bpal\ufeff\u00ad.mp4", "paypal.mp4"},
		"HTML":              {`</bdi><script>alert(1)</script><img src="http://x/">'"&.mp4`, `</bdi><script>alert(1)</script><img src="http://x/">'"&.mp4`},
		"template":          {"{{.PublicURL}}.mp4", "{{.PublicURL}}.mp4"},
		"encoded word":      {"=?utf-8?q?=0D=0ABcc:_eve?=.mp4", "=?utf-8?q?=0D=0ABcc:_eve?=.mp4"},
		"not UTF-8":         {"a\xff\xfeb.mp4", "a\ufffd\ufffdb.mp4"},
		"not ASCII":         {"Grüße “1” 世界 🎵.mp4", "Grüße “1” 世界 🎵.mp4"},
		"right to left":     {"שלום.mp4", "שלום.mp4"},
		"long":              {strings.Repeat("ü", 2000) + ".mp4", strings.Repeat("ü", maxShown-1) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			m := send(t, c.file)
			if got, want := fields(m), fields(plain); !slices.Equal(got, want) {
				t.Errorf("header fields %v, want %v", got, want)
			}
			if got := subject(t, m); got != "Your MP3 is ready" {
				t.Errorf("subject %q", got)
			}
			if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "user@example.com" {
				t.Errorf("To: %v, %v", to, err)
			}
			for _, label := range []string{"Video:      ", "Tag:        "} {
				if line := label + c.want + "\r\n"; !strings.Contains(m.Text, line) {
					t.Errorf("no line %q in\n%s", line, m.Text)
				}
			}
			if got, want := strings.Count(m.Text, "\n"), strings.Count(plain.Text, "\n"); got != want {
				t.Errorf("%d lines, want %d", got, want)
			}
			if got, want := tag.FindAllString(m.HTML, -1), tag.FindAllString(plain.HTML, -1); !slices.Equal(got, want) {
				t.Errorf("elements %v, want %v", got, want)
			}
			for _, r := range m.Text + m.HTML {
				if unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n' && r != '\r' {
					t.Errorf("character %U", r)
				}
			}
		})
	}
}

func TestAdviceIsComplete(t *testing.T) {
	var codes []string
	for _, f := range conversion.Failures {
		codes = append(codes, f.Code)
	}
	slices.Sort(codes)
	if got := slices.Sorted(maps.Keys(advice)); !slices.Equal(got, codes) {
		t.Errorf("advice for %v, want for %v: \"\" if the message says what to do", got, codes)
	}
}
