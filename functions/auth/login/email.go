package login

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxEmail = 254 // bytes; the longest valid address

	// MinPassword is in characters, MaxPassword in bytes.
	MinPassword = 8
	MaxPassword = 1024
)

var errEmail = errors.New("not an e-mail address")

// normalizeEmail returns the canonical form of an e-mail address: trimmed and in lower
// case. It accepts plain addresses only. Quoted local parts are rejected, because they
// may contain a colon, which ends the user name in Basic authentication.
func normalizeEmail(s string) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxEmail || !utf8.ValidString(s) {
		return "", errEmail
	}
	s = strings.ToLower(s)
	invalid := func(c rune) bool {
		return c == '"' || c == ':' || c == '<' || c == '>' || c == '(' || unicode.IsSpace(c) || !unicode.IsPrint(c)
	}
	if len(s) > maxEmail || strings.ContainsFunc(s, invalid) {
		return "", errEmail
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return "", errEmail
	}
	return s, nil
}

// checkPassword returns an error if a new password is too short or too long.
func checkPassword(p string) error {
	switch {
	case utf8.RuneCountInString(p) < MinPassword:
		return fmt.Errorf("must have at least %d characters", MinPassword)
	case len(p) > MaxPassword:
		return fmt.Errorf("must have at most %d bytes", MaxPassword)
	}
	return nil
}
