package api

import (
	"context"
	"errors"
	"net/url"

	"mp3converter/shared/problem"
	"mp3converter/shared/webhooks"
)

// notifyURLField is the field of an upload with the URL that receives a message when the
// job has ended.
const notifyURLField = "notify_url"

// parseNotifyURL returns the notify_url of an upload, "" if none is given. It returns a
// problem if the URL cannot receive messages, or if the user has no secret to sign them
// with. It reads no store if none is given.
func (g *Gateway) parseNotifyURL(ctx context.Context, fields url.Values, owner string) (string, error) {
	given := fields.Get(notifyURLField)
	if given == "" {
		return "", nil
	}
	if err := g.config.Receivers.CheckURL(given); err != nil {
		return "", problem.BadWebhookURL.WithDetail("%s: %v.", notifyURLField, err)
	}
	s, err := g.Webhooks.Get(ctx, owner)
	switch {
	case errors.Is(err, webhooks.ErrNotFound), err == nil && len(s.Secrets) == 0:
		return "", problem.NoWebhookSecret
	case err != nil:
		return "", problem.Unavailable.WithCause(err)
	}
	return given, nil
}
