package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// MinKeyBytes is the minimum length of a key: that of the hash, as required by
// RFC 7518 section 3.2.
const MinKeyBytes = 32

var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Keys holds the signing keys. The zero value issues and accepts no tokens. It is safe for concurrent use.
//
// Rotation takes three steps, with a restart of all functions after each: append the
// new key, so that all accept it; move it to the front, so that auth signs with it;
// remove the old key after the lifetime of a token.
type Keys struct {
	ids []string // the first signs

	// secret returns the key with that identifier, or nil. It is a function so
	// that printing Keys cannot reveal a key.
	secret func(kid string) []byte
}

// ParseKeys parses "kid:base64,kid2:base64". The first key signs and all verify.
// Standard and URL-safe base64 are accepted, with or without padding. Errors contain
// no part of a key.
func ParseKeys(s string) (Keys, error) {
	var ids []string
	secrets := make(map[string][]byte)
	for i, entry := range strings.Split(s, ",") {
		kid, encoded, found := strings.Cut(strings.TrimSpace(entry), ":")
		if !found {
			return Keys{}, fmt.Errorf("token key %d: want kid:base64", i+1)
		}
		// The text before the colon may be a misplaced key, so the error
		// contains it only if it has the form of a kid.
		if !keyID.MatchString(kid) {
			return Keys{}, fmt.Errorf("token key %d: the kid must be 1 to 64 letters, digits, dots, dashes or underscores", i+1)
		}
		if _, dup := secrets[kid]; dup {
			return Keys{}, fmt.Errorf("token key %d: the kid %q is taken by an earlier key", i+1, kid)
		}
		secret, err := decodeKey(encoded)
		if err != nil {
			return Keys{}, fmt.Errorf("token key %q: %w", kid, err)
		}
		if len(secret) < MinKeyBytes {
			return Keys{}, fmt.Errorf("token key %q: %d bytes, want at least %d", kid, len(secret), MinKeyBytes)
		}
		secrets[kid] = secret
		ids = append(ids, kid)
	}
	return Keys{ids: ids, secret: func(kid string) []byte { return secrets[kid] }}, nil
}

// String returns the identifiers of the keys.
func (k Keys) String() string {
	return "token keys [" + strings.Join(k.ids, " ") + "]"
}

func decodeKey(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64")
	}
	return b, nil
}
