package api

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanName(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                     "video",
		".":                                    "video",
		"..":                                   "video",
		"../":                                  "video",
		"/":                                    "video",
		"a/":                                   "video",
		" . . ":                                "video",
		"\x00\x01":                             "video",
		"\xff\xfe":                             "video",
		"a.mp4":                                "a.mp4",
		"/etc/passwd":                          "passwd",
		`..\..\boot.ini`:                       "boot.ini",
		"a/b\\c.mp4":                           "c.mp4",
		".hidden":                              "hidden",
		"trailing. ":                           "trailing",
		"a\nb\r\nc\td.mp4":                     "a b c d.mp4",
		"a\u2028b\u2029c":                      "a b c",
		"a%0D%0Ab%22c%22":                      `a b"c"`,
		"100%.mp4":                             "100%.mp4",
		"a\xffb.mp4":                           "ab.mp4",
		"a\u202eb\u2066c\u200f":                "abc",
		"%2\u200e2":                            `"`,
		"\u00a0 wide \u3000 gap":               "wide gap",
		"🎵.mp4":                                "🎵.mp4",
		strings.Repeat("x", 300):               strings.Repeat("x", 240),
		strings.Repeat("x", 300) + ".webm":     strings.Repeat("x", 235) + ".webm",
		strings.Repeat("é", 200) + ".mp4":      strings.Repeat("é", 118) + ".mp4",
		strings.Repeat("x.", 200) + "y":        strings.Repeat("x.", 118) + "x.y",
		"a." + strings.Repeat("extension", 40): "a." + strings.Repeat("extension", 27)[:238],
		strings.Repeat(".x", 110) + "   " + ".mp4": strings.Repeat("x.", 109) + "x .mp4",
	} {
		if got := CleanName(raw); got != want {
			t.Errorf("CleanName(%q)\n= %q, want\n  %q", raw, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"a.mp4", "../x", `C:\a.mov`, "%22", "%2\u200e2", "a\nb", "\xff", strings.Repeat("é", 200) + ".mp4", "日本\u202e.mp4", " . "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		s := CleanName(raw)
		switch {
		case s == "":
			t.Error("empty")
		case len(s) > maxName:
			t.Errorf("%d bytes", len(s))
		case !utf8.ValidString(s):
			t.Errorf("not UTF-8: %q", s)
		case strings.ContainsAny(s, `/\`):
			t.Errorf("a path: %q", s)
		case strings.ContainsFunc(s, unicode.IsControl):
			t.Errorf("control characters: %q", s)
		case strings.Trim(s, ". ") != s:
			t.Errorf("leading or trailing dots or spaces: %q", s)
		case CleanName(s) != s:
			t.Errorf("not idempotent: %q becomes %q", s, CleanName(s))
		}
	})
}
