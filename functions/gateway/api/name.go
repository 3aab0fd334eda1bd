package api

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest file name kept, in bytes: what file systems take,
// less room for another extension.
const maxName = 240

// escaped undoes what browsers do to the three characters that would end a
// file name in a form's header.
var escaped = strings.NewReplacer("%22", `"`, "%0D", " ", "%0A", " ", "%0d", " ", "%0a", " ")

// CleanName returns the last element of a file name as a client sent it, fit to
// be shown, stored and sent back: valid UTF-8, no path, no control characters,
// at most 240 bytes with its extension kept, never empty.
func CleanName(raw string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, bidi(r):
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, raw)
	s = escaped.Replace(s)
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

// bidi: the characters that turn the direction of writing make "gpm.3pm" out of
// "mp3.mpg".
func bidi(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f'
}
