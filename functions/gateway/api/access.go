package api

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

type userHandler func(w http.ResponseWriter, r *http.Request, user token.Claims) error

// requireUser is middleware that rejects requests without a valid token, before
// any of the body is read.
func (g *Gateway) requireUser(h userHandler) http.Handler {
	return problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		user, err := g.authenticate(r)
		if err != nil {
			return err
		}
		r = r.WithContext(logs.With(r.Context(), slog.String("user", user.Subject)))
		return h(w, r, user)
	})
}

// authenticate verifies the bearer token of a request.
func (g *Gateway) authenticate(r *http.Request) (token.Claims, error) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(raw) == "" {
		return token.Claims{}, problem.NoToken
	}
	user, err := g.Keys.Verify(strings.TrimSpace(raw), time.Now())
	switch {
	case errors.Is(err, token.ErrExpired):
		return token.Claims{}, problem.ExpiredToken.WithCause(err)
	case err != nil:
		return token.Claims{}, problem.BadToken.WithCause(err)
	}
	return user, nil
}

// ownedJob returns a job of the user. It does not reveal whether a job of
// another user exists. An upload that is not complete is not a job yet.
func (g *Gateway) ownedJob(r *http.Request, user token.Claims, id string) (jobs.Job, error) {
	j, err := g.Jobs.Get(r.Context(), id)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return jobs.Job{}, problem.JobNotFound
	case err != nil:
		return jobs.Job{}, problem.Unavailable.WithCause(err)
	case j.Owner != user.Subject:
		return jobs.Job{}, problem.JobNotFound
	}
	if j.State == jobs.Uploading { // not a job yet, or one whose last request has died
		j, err = g.resumable.Recover(r.Context(), j)
	}
	switch {
	case errors.Is(err, problem.Unavailable): // it may be a job, which must not seem to be gone
		return jobs.Job{}, err
	case err != nil:
		return jobs.Job{}, problem.JobNotFound.WithCause(err)
	case j.State == jobs.Uploading:
		return jobs.Job{}, problem.JobNotFound
	}
	return j, nil
}
