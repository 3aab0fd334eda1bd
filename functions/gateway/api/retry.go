package api

import (
	"context"
	"errors"
	"net/http"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

// handleRetryJob queues a failed job again while its video is kept.
func (g *Gateway) handleRetryJob(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.ownedJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	retry := func(j *jobs.Job) error { return j.RetryFailed(g.config.Policy, g.Jobs.Now()) }
	tried := j
	if err := retry(&tried); err != nil {
		return retryProblem(err)
	}
	if err := g.checkQuota(r.Context(), user.Subject, 0); err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context())
	if j, err = g.Jobs.Update(ctx, j.ID, retry); err != nil {
		return retryProblem(err)
	}
	g.wakeConverter(ctx, j)
	return g.writeAccepted(w, j)
}

func retryProblem(err error) error {
	switch {
	case errors.Is(err, jobs.ErrNotFailed):
		return problem.JobNotFailed
	case errors.Is(err, jobs.ErrVideoGone):
		return problem.VideoGone
	case errors.Is(err, jobs.ErrNotFound):
		return problem.JobNotFound
	}
	return problem.Unavailable.WithCause(err)
}
