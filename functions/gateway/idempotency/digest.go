package idempotency

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/dunglas/httpsfv"
)

// Digest returns the BodyDigest of a job record. It identifies the parameters of the
// request that created the job and the SHA-256 of its file, which is nil if the file
// follows in other requests.
func Digest(parameters url.Values, file []byte) string {
	return parametersDigest(parameters) + encode(file)
}

// SameParameters reports whether a digest was made with these parameters.
func SameParameters(digest string, parameters url.Values) bool {
	return strings.HasPrefix(digest, parametersDigest(parameters))
}

// SameFile reports whether a digest was made with a file that has this SHA-256.
func SameFile(digest string, file []byte) bool {
	_, sum, _ := strings.Cut(digest, separator)
	return sum == encode(file)
}

// ContentDigest returns the SHA-256 of the body that a request announces (RFC 9530), or
// nil.
func ContentDigest(h http.Header) []byte {
	digests, err := httpsfv.UnmarshalDictionary(h.Values("Content-Digest"))
	if err != nil {
		return nil
	}
	member, _ := digests.Get("sha-256")
	item, _ := member.(httpsfv.Item)
	sum, _ := item.Value.([]byte)
	if len(sum) != sha256.Size {
		return nil
	}
	return sum
}

const separator = "."

// parametersDigest does not depend on the order of the parameters.
func parametersDigest(parameters url.Values) string {
	sum := sha256.Sum256([]byte(parameters.Encode()))
	return encode(sum[:]) + separator
}

func encode(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }
