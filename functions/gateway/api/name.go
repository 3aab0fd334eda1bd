package api

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the maximum length of a file name in bytes: what file systems
// allow, less room for another extension.
const maxName = 240

// unescapeName undoes the escaping of quotes that browsers apply to file names in a
// form, and turns escaped line breaks into spaces.
var unescapeName = strings.NewReplacer("%22", `"`, "%0D", " ", "%0A", " ", "%0d", " ", "%0a", " ")

// CleanName makes a client's file name safe to store, show and send back. The
// result is the last path element: valid UTF-8 without control characters, at
// most 240 bytes including the extension, and never empty.
func CleanName(raw string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, isBidiControl(r):
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, raw)
	s = unescapeName.Replace(s)
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Trim(strings.Join(strings.Fields(s), " "), ". ")
	if s == "" {
		return "video"
	}
	if len(s) <= maxName {
		return s
	}
	ext := ""
	if i := strings.LastIndexByte(s, '.'); i >= 0 && len(s)-i <= 16 {
		ext = s[i:]
	}
	cut := maxName - len(ext)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.TrimRight(s[:cut], ". ") + ext
}

// isBidiControl reports whether r changes the direction of writing, which can
// make "mp3.mpg" look like "gpm.3pm".
func isBidiControl(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f'
}
