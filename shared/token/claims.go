package token

import (
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// alphabet is the characters of a token. The base64 decoder skips line breaks, so
// without this check a token would have many spellings.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

type payload struct {
	jwt.RegisteredClaims
	Email string `json:"email,omitempty"`
}

// Validate requires the claims that the parser treats as optional.
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

// claimErrors are the errors about claims other than expiry. An expired token with one
// of them was never valid.
var claimErrors = []error{
	jwt.ErrTokenRequiredClaimMissing,
	jwt.ErrTokenInvalidAudience,
	jwt.ErrTokenInvalidIssuer,
	jwt.ErrTokenUsedBeforeIssued,
	jwt.ErrTokenNotValidYet,
	jwt.ErrInvalidType,
}

// classify maps the parser's error to ErrExpired or ErrInvalid. The parser checks the
// claims only after the signature.
func classify(err error) error {
	if !errors.Is(err, jwt.ErrTokenExpired) {
		return fmt.Errorf("%w: %s", ErrInvalid, reason(err))
	}
	for _, e := range claimErrors {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %s", ErrInvalid, reason(err))
		}
	}
	return ErrExpired
}

// reason returns the class of the parser's error. The full text may contain the token
// and must not be logged.
func reason(err error) string {
	for _, class := range slices.Concat(claimErrors, []error{
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
