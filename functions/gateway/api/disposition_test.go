package api

import (
	"mime"
	"strings"
	"testing"
)

func TestAttachment(t *testing.T) {
	for name, want := range map[string]string{
		"a.mp3":         `attachment; filename="a.mp3"; filename*=UTF-8''a.mp3`,
		"a b.mp3":       `attachment; filename="a b.mp3"; filename*=UTF-8''a%20b.mp3`,
		`say "hi".mp3`:  `attachment; filename="say _hi_.mp3"; filename*=UTF-8''say%20%22hi%22.mp3`,
		"100%.mp3":      `attachment; filename="100_.mp3"; filename*=UTF-8''100%25.mp3`,
		"naïve.mp3":     `attachment; filename="na_ve.mp3"; filename*=UTF-8''na%C3%AFve.mp3`,
		"a;b=c,d'e.mp3": `attachment; filename="a;b=c,d'e.mp3"; filename*=UTF-8''a%3Bb%3Dc%2Cd%27e.mp3`,
		"🎵.mp3":         `attachment; filename="_.mp3"; filename*=UTF-8''%F0%9F%8E%B5.mp3`,
		"(a)*b:c@d.mp3": `attachment; filename="(a)*b:c@d.mp3"; filename*=UTF-8''%28a%29%2Ab%3Ac%40d.mp3`,
	} {
		if got := attachment(name); got != want {
			t.Errorf("attachment(%q)\n= %s, want\n  %s", name, got, want)
		}
	}
}

// attributeChars are the bytes that RFC 8187 allows in an extended value, including
// its escapes and its two quotes.
const attributeChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`|~%'"

func FuzzAttachment(f *testing.F) {
	for _, s := range []string{"a.mp3", `"`, `\`, "%", "é", "a;b", "*", "''", "🎵 x", "a\tb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name := CleanName(raw) // only clean names are stored
		header := attachment(name)
		kind, params, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" || params["filename"] != name || len(params) != 1 {
			t.Errorf("%q was parsed as %q %q: %v", name, kind, params, err)
		}
		_, value, _ := strings.Cut(header, "filename*=UTF-8''")
		for _, b := range []byte(value) {
			if !strings.ContainsRune(attributeChars, rune(b)) {
				t.Errorf("%q in %s", b, header)
			}
		}
		plain, _, _ := strings.Cut(header, "; filename*=")
		for _, b := range []byte(plain) {
			if b < ' ' || b > '~' {
				t.Errorf("%q in %q", b, plain)
			}
		}
	})
}
