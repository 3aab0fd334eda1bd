// Package idempotency reads the header Idempotency-Key and tells requests with the same
// key apart: a repeated request has the same content, and a different one is an error. It
// follows draft-ietf-httpapi-idempotency-key-header. The keys are kept in job records.
package idempotency

import (
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"

	"mp3converter/shared/problem"
)

const (
	// Header is the request header with the key.
	Header = "Idempotency-Key"
	// ReplayedHeader is "true" in a response to a repeated request.
	ReplayedHeader = "Idempotency-Replayed"
	// maxKey is the maximum length of a key in bytes.
	maxKey = 255
)

// Key returns the idempotency key of a request, or "" if it has none. The draft demands a
// quoted string (RFC 9651); the bare key that most clients send is the same key. The error
// is a problem.
func Key(h http.Header) (string, error) {
	values := h.Values(Header)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", problem.BadRequest.WithDetail("The request has more than one %s.", Header)
	}
	key := values[0]
	if strings.HasPrefix(key, `"`) {
		item, err := httpsfv.UnmarshalItem(values)
		if err != nil {
			return "", problem.BadRequest.WithDetail("The %s is not a valid string.", Header)
		}
		key, _ = item.Value.(string)
	}
	if len(key) < 1 || len(key) > maxKey || strings.ContainsFunc(key, unprintable) {
		return "", problem.BadRequest.WithDetail("The %s must be 1 to %d printable ASCII characters.", Header, maxKey)
	}
	return key, nil
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }
