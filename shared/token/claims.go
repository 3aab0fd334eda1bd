package token

import (
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// alphabet is every character that a token can have. The base64 decoder skips
// line breaks, so without this check one token could be written in many ways.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

type payload struct {
	jwt.RegisteredClaims
	Email string `json:"email,omitempty"`
}

// Validate demands the claims that the parser, told to check all others, takes
// as optional.
func (p payload) Validate() error {
	switch {
	case p.IssuedAt == nil:
		return fmt.Errorf("iat: %w", jwt.ErrTokenRequiredClaimMissing)
	case p.Subject == "":
		return fmt.Errorf("sub: %w", jwt.ErrTokenRequiredClaimMissing)
	case p.ID == "":
		return fmt.Errorf("jti: %w", jwt.ErrTokenRequiredClaimMissing)
	}
	return nil
}

// otherFaults are the findings about claims besides expiry. A token that has
// one of them was never good, so to log in again is not the whole answer.
var otherFaults = []error{
	jwt.ErrTokenRequiredClaimMissing,
	jwt.ErrTokenInvalidAudience,
	jwt.ErrTokenInvalidIssuer,
	jwt.ErrTokenUsedBeforeIssued,
	jwt.ErrTokenNotValidYet,
	jwt.ErrInvalidType,
}

// classify turns the parser's error into one of ours. The parser looks at the
// claims only after the signature has proved genuine.
func classify(err error) error {
	if !errors.Is(err, jwt.ErrTokenExpired) {
		return fmt.Errorf("%w: %s", ErrInvalid, reason(err))
	}
	for _, fault := range otherFaults {
		if errors.Is(err, fault) {
			return fmt.Errorf("%w: %s", ErrInvalid, reason(err))
		}
	}
	return ErrExpired
}

// reason is the class of the parser's error. Its full text can quote the
// token, which must not reach a log.
func reason(err error) string {
	for _, class := range slices.Concat(otherFaults, []error{
		jwt.ErrTokenMalformed,
		jwt.ErrTokenSignatureInvalid,
		jwt.ErrTokenUnverifiable,
	}) {
		if errors.Is(err, class) {
			return class.Error()
		}
	}
	return jwt.ErrTokenInvalidClaims.Error()
}
