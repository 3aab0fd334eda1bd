// Package webhooks holds what users configure for their webhooks, how messages are
// signed, and which addresses may receive them. It sends nothing.
package webhooks

import (
	"errors"
	"time"
)

var (
	// ErrNotFound means that the user has configured no webhook.
	ErrNotFound = errors.New("webhooks: not found")
	// ErrUnchanged is returned by a change that has nothing to do.
	ErrUnchanged = errors.New("webhooks: nothing to change")
)

// Settings are the webhook settings of one user. Times are UTC in whole milliseconds.
type Settings struct {
	Owner    string `bson:"_id" json:"owner"`         // the subject of the user's tokens
	Revision int64  `bson:"revision" json:"revision"` // number of updates; set by the store
	URL      string `bson:"url" json:"url"`           // receives a message about every job; may be ""

	// Secrets sign messages to URL and to the notify_url of jobs. The first is the
	// current one; the others still sign until they expire.
	Secrets []Secret `bson:"secrets" json:"secrets"`

	// FailingSince is the start of the first of the attempts to deliver to URL that have
	// failed since the last one that succeeded. It is zero if that was the latest.
	FailingSince time.Time `bson:"failingSince" json:"failingSince"`

	// DisabledAt is when messages to URL were switched off; zero if they are not.
	DisabledAt     time.Time `bson:"disabledAt" json:"disabledAt"`
	DisabledReason string    `bson:"disabledReason,omitempty" json:"disabledReason,omitempty"` // for the user
}

// Secret is a key for signatures.
type Secret struct {
	Value     string    `bson:"value" json:"value"` // "whsec_" and base64
	CreatedAt time.Time `bson:"createdAt" json:"createdAt"`
	ExpiresAt time.Time `bson:"expiresAt" json:"expiresAt"` // zero for the current one
}

const (
	// SecretOverlap is how long a secret signs after another has replaced it.
	SecretOverlap = 24 * time.Hour
	// maxSecrets is how many secrets sign at a time.
	maxSecrets = 4
)

// SetURL sets the URL and switches messages to it on.
func (s *Settings) SetURL(url string) {
	s.URL = url
	s.FailingSince, s.DisabledAt, s.DisabledReason = time.Time{}, time.Time{}, ""
}

// AddSecret makes a secret the current one. The previous one expires after
// SecretOverlap. After several rotations within that time, the oldest expire earlier.
func (s *Settings) AddSecret(value string, now time.Time) {
	now = now.UTC().Truncate(time.Millisecond)
	secrets := []Secret{{Value: value, CreatedAt: now}}
	for _, old := range s.Secrets {
		if old.ExpiresAt.IsZero() {
			old.ExpiresAt = now.Add(SecretOverlap)
		}
		if now.Before(old.ExpiresAt) && len(secrets) < maxSecrets {
			secrets = append(secrets, old)
		}
	}
	s.Secrets = secrets
}

// SigningSecrets returns the secrets that sign a message at now, the current one first.
func (s Settings) SigningSecrets(now time.Time) []string {
	var values []string
	for _, secret := range s.Secrets {
		if secret.ExpiresAt.IsZero() || now.Before(secret.ExpiresAt) {
			values = append(values, secret.Value)
		}
	}
	return values
}

// Active reports whether messages about all jobs of the user are sent.
func (s Settings) Active() bool { return s.URL != "" && s.DisabledAt.IsZero() }

// RecordSuccess records that url has accepted a message. It returns ErrUnchanged
// if there is nothing to record: most messages are not followed by a write.
func (s *Settings) RecordSuccess(url string) error {
	if s.URL != url || s.FailingSince.IsZero() {
		return ErrUnchanged
	}
	s.FailingSince = time.Time{}
	return nil
}

// RecordFailure records that an attempt to deliver to url, begun at start, has failed.
// It returns ErrUnchanged if there is nothing to record.
func (s *Settings) RecordFailure(url string, start time.Time) error {
	if s.URL != url || !s.FailingSince.IsZero() {
		return ErrUnchanged
	}
	s.FailingSince = start.UTC().Truncate(time.Millisecond)
	return nil
}

// Disable switches messages to url off. It returns ErrUnchanged if the URL is another
// one by now, if messages are off, or if one has been accepted since.
func (s *Settings) Disable(url, reason string, since, now time.Time) error {
	failing := !s.FailingSince.IsZero() && !s.FailingSince.After(since)
	if s.URL != url || !s.Active() || !failing {
		return ErrUnchanged
	}
	s.DisabledAt, s.DisabledReason = now.UTC().Truncate(time.Millisecond), reason
	return nil
}
