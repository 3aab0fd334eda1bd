// Package links makes and verifies signed links: URLs under which one MP3 can be
// downloaded, without any header, until a certain time. A link is not stored: it holds
// the job, its expiry and the job's link epoch, signed with HMAC-SHA256.
//
// It reads no job record and serves nothing. Its keys are not those of the users' tokens,
// so that a function that makes links cannot issue tokens.
package links

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/serve"
	"mp3converter/shared/token"
)

// Config is the same in every function that makes links.
type Config struct {
	Keys      string `envconfig:"LINK_KEYS"`  // in the form of TOKEN_KEYS; the first signs
	PublicURL string `envconfig:"PUBLIC_URL"` // address of the gateway for users; may be ""
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

var (
	// ErrExpired means that the link was valid but has expired.
	ErrExpired = errors.New("links: expired")
	// ErrInvalid means that the link is not valid.
	ErrInvalid = errors.New("links: invalid")
)

// Links makes and verifies links. It is safe for concurrent use.
type Links struct {
	keys   token.Keys
	public *url.URL // nil for relative links
}

// New returns an error that names the invalid variable.
func New(c Config) (Links, error) {
	if c.Keys == "" {
		return Links{}, errors.New("LINK_KEYS is required")
	}
	keys, err := token.ParseKeys(c.Keys)
	if err != nil {
		return Links{}, fmt.Errorf("LINK_KEYS: %w", err)
	}
	l := Links{keys: keys}
	if c.PublicURL != "" {
		l.public, err = serve.ParseURL("PUBLIC_URL", c.PublicURL)
		if err == nil && (strings.ContainsAny(c.PublicURL, "?#") || l.public.User != nil) {
			err = errors.New("PUBLIC_URL must have no user, query or fragment")
		}
	}
	return l, err
}

// Absolute returns a path of the gateway as an absolute URL, or as it is if PUBLIC_URL is
// not known. The path begins with a slash and is escaped.
func (l Links) Absolute(path string) string {
	if l.public == nil {
		return path
	}
	return strings.TrimRight(l.public.String(), "/") + path
}

// URL returns a link to the MP3 of a job, valid before expiresAt, in whole seconds. It is
// absolute if PUBLIC_URL is known. It ends with the name of the MP3, under which wget and
// browsers store it; the name is not verified.
func (l Links) URL(j jobs.Job, expiresAt time.Time) string {
	payload := fmt.Sprintf("%s.%d.%d", j.ID, expiresAt.Unix(), j.LinkEpoch)
	signature := base64.RawURLEncoding.EncodeToString(l.keys.MAC(purpose, payload))
	return l.Absolute("/links/" + payload + "." + signature + "/" + url.PathEscape(j.AudioName()))
}

// purpose separates these MACs from those for other purposes.
const purpose = "link"

// Link is the verified content of a link.
type Link struct {
	Job       string
	Epoch     int64
	ExpiresAt time.Time
}

// Grants reports whether the link leads to the MP3 of j: it is that job, its links have
// not been revoked since, and it has an MP3.
func (l Link) Grants(j jobs.Job) bool {
	return j.ID == l.Job && j.LinkEpoch == l.Epoch && j.State == jobs.Done
}

// maxBytes is more than any token has.
const maxBytes = 128

// Verify returns the content of the token in a link, or ErrExpired or ErrInvalid. Nothing
// is known about an invalid one; in particular, ErrExpired is returned only for a token
// that was signed.
func (l Links) Verify(raw string, now time.Time) (Link, error) {
	end := strings.LastIndexByte(raw, '.')
	if len(raw) > maxBytes || end < 0 {
		return Link{}, ErrInvalid
	}
	payload, encoded := raw[:end], raw[end+1:]
	signature, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	// The decoder skips line breaks, so the token would have many spellings.
	if err != nil || strings.ContainsAny(encoded, "\r\n") || !l.keys.CheckMAC(purpose, payload, signature) {
		return Link{}, ErrInvalid
	}
	parts := strings.Split(payload, ".")
	if len(parts) != 3 || !id.Valid(parts[0]) {
		return Link{}, ErrInvalid
	}
	expiry, err1 := strconv.ParseInt(parts[1], 10, 64)
	epoch, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err1 != nil || err2 != nil {
		return Link{}, ErrInvalid
	}
	link := Link{Job: parts[0], Epoch: epoch, ExpiresAt: time.Unix(expiry, 0).UTC()}
	if !now.Before(link.ExpiresAt) {
		return Link{}, ErrExpired
	}
	return link, nil
}
