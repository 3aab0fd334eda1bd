// Package token issues and verifies the signed tokens by which a user's
// requests are known: JSON Web Tokens, HMAC-SHA256.
//
// It knows no users and no passwords, and reads no HTTP headers. A token cannot
// be revoked before it expires, so its lifetime is the caller's only brake.
package token
