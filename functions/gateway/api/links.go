package api

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

// defaultLinkTTL is the lifetime of a link for which none is requested. The longest is that
// of the job.
const defaultLinkTTL = time.Hour

type linkResponse struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// handleCreateLink responds with a link to the MP3 of a job that needs no token. Nothing
// is stored.
func (g *Gateway) handleCreateLink(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	ttl, err := requestedTTL(w, r)
	if err != nil {
		return err
	}
	j, err := g.ownedJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := checkMP3(j); err != nil {
		return err
	}
	expires := g.Jobs.Now().Add(ttl)
	if j.ExpiresAt.Before(expires) {
		expires = j.ExpiresAt
	}
	expires = expires.UTC().Truncate(time.Second)
	return writeJSON(w, http.StatusCreated, linkResponse{g.resolveURL(r, g.links.URL(j, expires)), expires})
}

// requestedTTL reads the optional body {"expiresIn": SECONDS}.
func requestedTTL(w http.ResponseWriter, r *http.Request) (time.Duration, error) {
	body := struct {
		ExpiresIn *int64 `json:"expiresIn"`
	}{}
	err := readJSON(w, r, &body)
	switch {
	case err != nil && err != io.EOF:
		return 0, problem.BadRequest.WithDetail(`The body must be JSON such as {"expiresIn": 3600}, or empty.`)
	case body.ExpiresIn == nil:
		return defaultLinkTTL, nil
	case *body.ExpiresIn < 1:
		return 0, problem.BadRequest.WithDetail("expiresIn must be a number of seconds, at least 1.")
	}
	const maxSeconds = int64(100 * 365 * 24 * time.Hour / time.Second) // the job ends before
	return time.Duration(min(*body.ExpiresIn, maxSeconds)) * time.Second, nil
}

// handleRevokeLinks makes all links to the MP3 of a job invalid.
func (g *Gateway) handleRevokeLinks(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.ownedJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	_, err = g.Jobs.Update(r.Context(), j.ID, func(j *jobs.Job) error {
		j.RevokeLinks()
		return nil
	})
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return problem.JobNotFound
	case err != nil:
		return problem.Unavailable.WithCause(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// handleLink responds with the MP3 of a link. The job's state is revealed to nobody who
// has only a link: a revoked one and one whose job is deleted look like an expired one.
func (g *Gateway) handleLink(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	link, err := g.links.Verify(r.PathValue("token"), g.Jobs.Now())
	switch {
	case errors.Is(err, links.ErrExpired):
		return problem.LinkExpired
	case err != nil:
		return problem.LinkNotFound
	}
	j, err := g.Jobs.Get(r.Context(), link.Job)
	switch {
	case errors.Is(err, jobs.ErrNotFound), err == nil && !link.Grants(j):
		return problem.LinkExpired
	case err != nil:
		return problem.Unavailable.WithCause(err)
	}
	err = g.serveAudio(w, r, j)
	if errors.Is(err, problem.JobNotFound) { // deleted since the job was read
		return problem.LinkExpired
	}
	return err
}

// absoluteURL returns a path of the gateway as an absolute URL, or as it is if PUBLIC_URL
// is not set.
func (g *Gateway) absoluteURL(path string) string { return g.links.Absolute(path) }

// resolveURL makes a relative URL absolute by the address that the client has used, because
// links are copied into pages and mails. The response goes to nobody else, so the client can
// deceive only itself.
func (g *Gateway) resolveURL(r *http.Request, url string) string {
	if !strings.HasPrefix(url, "/") || r.Host == "" {
		return url
	}
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host + url
}
