package api

import (
	"errors"
	"io"
	"net/http"

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// replay answers an upload whose key belongs to an accepted job: with that job, if the
// request is equal to the one that created it. If the header and the query decide that,
// the body is not read.
func (g *Gateway) replay(w http.ResponseWriter, r *http.Request, h uploadHead, j jobs.Job) error {
	if h.differs(j) {
		return problem.IdempotencyKeyReused
	}
	if h.digest == nil { // else differs has compared everything
		digest, err := g.digestBody(w, r, h)
		if err != nil {
			return err
		}
		if digest != j.BodyDigest {
			return problem.IdempotencyKeyReused
		}
	}
	j, err := g.Jobs.Get(r.Context(), j.ID)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return problem.IdempotencyKeyInUse.WithDetail("The job was deleted while its request was repeated.")
	case err != nil:
		return problem.Unavailable.WithCause(err)
	}
	w.Header().Set(idempotency.ReplayedHeader, "true")
	return g.writeAccepted(w, j)
}

// digestBody reads the body of an upload and returns its digest.
func (g *Gateway) digestBody(w http.ResponseWriter, r *http.Request, h uploadHead) (string, error) {
	body, err := g.openBody(w, r, h)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(io.Discard, body.file); err != nil {
		return "", uploadProblem(err)
	}
	j := jobs.Job{Owner: h.user.Subject}
	if err := g.completeBody(r.Context(), body, &j); err != nil {
		return "", uploadProblem(err)
	}
	return j.BodyDigest, nil
}
