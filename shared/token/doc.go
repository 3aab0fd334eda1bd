// Package token issues and verifies the JSON Web Tokens (HMAC-SHA256) that
// authenticate a user's requests.
//
// It knows no users or passwords and reads no HTTP headers. A token cannot be revoked
// before it expires.
package token
