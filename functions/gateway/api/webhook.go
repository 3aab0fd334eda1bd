package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"mp3converter/shared/problem"
	"mp3converter/shared/token"
	"mp3converter/shared/webhooks"
)

// webhookResponse is the webhook of a user. Secret is set once, when it is new.
type webhookResponse struct {
	URL            string           `json:"url"` // "" if messages are sent to the notify_url of jobs only
	Secret         string           `json:"secret,omitempty"`
	Secrets        []secretResponse `json:"secrets"`
	FailingSince   time.Time        `json:"failingSince,omitzero"`
	DisabledAt     time.Time        `json:"disabledAt,omitzero"`
	DisabledReason string           `json:"disabledReason,omitempty"`
}

// secretResponse is a secret that signs messages, without its value.
type secretResponse struct {
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // if another has replaced it
}

func newWebhookResponse(s webhooks.Settings, now time.Time) webhookResponse {
	res := webhookResponse{
		URL: s.URL, Secrets: []secretResponse{}, FailingSince: s.FailingSince,
		DisabledAt: s.DisabledAt, DisabledReason: s.DisabledReason,
	}
	for _, secret := range s.Secrets {
		if secret.ExpiresAt.IsZero() || now.Before(secret.ExpiresAt) {
			res.Secrets = append(res.Secrets, secretResponse{secret.CreatedAt, secret.ExpiresAt})
		}
	}
	return res
}

// handleGetWebhook responds with the user's webhook, without its secrets.
func (g *Gateway) handleGetWebhook(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	s, err := g.Webhooks.Get(r.Context(), user.Subject)
	switch {
	case errors.Is(err, webhooks.ErrNotFound):
		return problem.WebhookNotFound
	case err != nil:
		return problem.Unavailable.WithCause(err)
	}
	return writeJSON(w, http.StatusOK, newWebhookResponse(s, g.Jobs.Now()))
}

// handlePutWebhook sets the URL, and switches messages to it on again. The first time it
// also creates a secret and responds with it.
func (g *Gateway) handlePutWebhook(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	var body struct {
		URL string `json:"url"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return problem.BadRequest.WithDetail(`The body must be a JSON object such as {"url":"https://example.com/hook"}.`)
	}
	if err := g.config.Receivers.CheckURL(body.URL); err != nil {
		return problem.BadWebhookURL.WithDetail("%v.", err)
	}
	return g.changeWebhook(w, r, user, func(s *webhooks.Settings, secret string, now time.Time) (shown bool) {
		s.SetURL(body.URL)
		if len(s.Secrets) > 0 {
			return false
		}
		s.AddSecret(secret, now)
		return true
	})
}

// handlePostSecret creates a secret, or replaces the present one, which signs messages
// beside it for a day.
func (g *Gateway) handlePostSecret(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	return g.changeWebhook(w, r, user, func(s *webhooks.Settings, secret string, now time.Time) (shown bool) {
		s.AddSecret(secret, now)
		return true
	})
}

// changeWebhook applies a change to the user's settings. change gets a new secret and
// reports whether it has used it; the secret is in the response then, and nowhere else.
func (g *Gateway) changeWebhook(w http.ResponseWriter, r *http.Request, user token.Claims,
	change func(s *webhooks.Settings, secret string, now time.Time) (shown bool)) error {
	secret, shown := webhooks.NewSecret(), false
	now := g.Jobs.Now()
	// Not interrupted when the client leaves, who would not know the secret.
	ctx := context.WithoutCancel(r.Context())
	s, err := g.Webhooks.Update(ctx, user.Subject, func(s *webhooks.Settings) error {
		shown = change(s, secret, now)
		return nil
	})
	if err != nil {
		return problem.Unavailable.WithCause(err)
	}
	slog.InfoContext(ctx, "webhook changed", "secret", shown)
	res := newWebhookResponse(s, now)
	if !shown {
		return writeJSON(w, http.StatusOK, res)
	}
	res.Secret = secret
	return writeJSON(w, http.StatusCreated, res)
}

// handleDeleteWebhook deletes the URL and the secrets.
func (g *Gateway) handleDeleteWebhook(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	if err := g.Webhooks.Delete(r.Context(), user.Subject); err != nil {
		return problem.Unavailable.WithCause(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
