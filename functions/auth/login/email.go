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
	maxEmail = 254 // bytes; the longest that mail can be sent to

	// MinPassword and MaxPassword bound passwords: in characters below, in
	// bytes above.
	MinPassword = 8
	MaxPassword = 1024
)

var errEmail = errors.New("not an e-mail address")

// normalise returns the one spelling of an e-mail address that an account goes
// by: trimmed and in lower case. It takes plain addresses only. Quoted local
// parts are refused, and with them the colon, which would end the name in Basic
// authentication.
func normalise(s string) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxEmail || !utf8.ValidString(s) {
		return "", errEmail
	}
	s = strings.ToLower(s)
	strange := func(c rune) bool {
		return c == '"' || c == ':' || c == '<' || c == '>' || c == '(' || unicode.IsSpace(c) || !unicode.IsPrint(c)
	}
	if len(s) > maxEmail || strings.ContainsFunc(s, strange) {
		return "", errEmail
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return "", errEmail
	}
	return s, nil
}

// checkPassword says why a new password will not do.
func checkPassword(p string) error {
	switch {
	case utf8.RuneCountInString(p) < MinPassword:
		return fmt.Errorf("it must have at least %d characters", MinPassword)
	case len(p) > MaxPassword:
		return fmt.Errorf("it must have at most %d bytes", MaxPassword)
	}
	return nil
}
