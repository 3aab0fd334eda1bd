package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	issuer   = "mp3converter"
	audience = "mp3converter"

	// Leeway is the tolerated clock skew between functions.
	Leeway = 30 * time.Second

	// maxBytes bounds the length of a token before it is parsed.
	maxBytes = 4 << 10
)

var (
	// ErrExpired means that the token was valid but has expired.
	ErrExpired = errors.New("token: expired")
	// ErrInvalid means that the token is not valid.
	ErrInvalid = errors.New("token: invalid")
)

// Claims are the claims of a token. Times are UTC, in whole seconds.
type Claims struct {
	Subject   string // the user's identifier, never the e-mail address
	Email     string // may be ""
	ID        string // of this token
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Issue signs a token for a user, valid from now for ttl.
func (k Keys) Issue(subject, email string, ttl time.Duration, now time.Time) (string, Claims, error) {
	switch {
	case len(k.ids) == 0:
		return "", Claims{}, errors.New("issue token: no keys")
	case subject == "":
		return "", Claims{}, errors.New("issue token: no subject")
	case ttl < time.Second:
		return "", Claims{}, fmt.Errorf("issue token: lifetime %v is under a second", ttl)
	}
	now = now.UTC().Truncate(time.Second)
	c := Claims{
		Subject:   subject,
		Email:     email,
		ID:        rand.Text(),
		IssuedAt:  now,
		ExpiresAt: now.Add(ttl).Truncate(time.Second),
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, payload{
		Email: c.Email,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Audience:  jwt.ClaimStrings{audience},
			Subject:   c.Subject,
			ID:        c.ID,
			IssuedAt:  jwt.NewNumericDate(c.IssuedAt),
			ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
		},
	})
	t.Header["kid"] = k.ids[0]
	raw, err := t.SignedString(k.secret(k.ids[0]))
	if err != nil {
		return "", Claims{}, fmt.Errorf("sign token: %w", err)
	}
	return raw, c, nil
}

// Verify returns the claims of a token, or an error that is ErrExpired or ErrInvalid.
// The text of the error is for the log; it contains the reason but no part of the
// token.
func (k Keys) Verify(raw string, now time.Time) (Claims, error) {
	if len(raw) > maxBytes || strings.Trim(raw, alphabet) != "" {
		return Claims{}, fmt.Errorf("%w: not a token", ErrInvalid)
	}
	var p payload
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(func() time.Time { return now }),
	).ParseWithClaims(raw, &p, k.lookUp)
	if err != nil {
		return Claims{}, classify(err)
	}
	return Claims{
		Subject:   p.Subject,
		Email:     p.Email,
		ID:        p.ID,
		IssuedAt:  p.IssuedAt.UTC(),
		ExpiresAt: p.ExpiresAt.UTC(),
	}, nil
}

// lookUp returns the key that a token names.
func (k Keys) lookUp(t *jwt.Token) (any, error) {
	// RFC 7515 section 4.1.11: an unknown critical extension makes the token
	// invalid, and all are unknown here.
	if _, critical := t.Header["crit"]; critical {
		return nil, errors.New("critical extension")
	}
	kid, _ := t.Header["kid"].(string)
	if !slices.Contains(k.ids, kid) {
		return nil, errors.New("unknown kid")
	}
	return k.secret(kid), nil
}
