package token

import (
	"crypto/hmac"
	"crypto/sha256"
)

// MAC returns the HMAC-SHA256 of a message with the first key, for a purpose other than
// tokens. MACs of different purposes are unrelated, and none is the signature of a token.
// It panics if there are no keys.
func (k Keys) MAC(purpose, message string) []byte {
	return k.mac(k.ids[0], purpose, message)
}

// CheckMAC reports whether MAC has returned mac, under the first key or another one.
func (k Keys) CheckMAC(purpose, message string, mac []byte) bool {
	for _, kid := range k.ids {
		if hmac.Equal(mac, k.mac(kid, purpose, message)) {
			return true
		}
	}
	return false
}

// mac authenticates the purpose, a zero byte and the message. The signed part of a token
// contains no zero byte.
func (k Keys) mac(kid, purpose, message string) []byte {
	h := hmac.New(sha256.New, k.secret(kid))
	h.Write([]byte(purpose + "\x00" + message))
	return h.Sum(nil)
}
