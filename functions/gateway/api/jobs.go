package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

const (
	pageSize    = 50
	maxPageSize = 200
)

// handleListJobs responds with one page of the user's jobs, newest first.
func (g *Gateway) handleListJobs(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	q := r.URL.Query()
	limit := pageSize
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPageSize {
			return problem.BadRequest.WithDetail("limit must be a number from 1 to %d.", maxPageSize)
		}
		limit = n
	}
	before := q.Get("before")
	if before != "" && !id.Valid(before) {
		return problem.BadRequest.WithDetail("before must be the id of a job.")
	}
	found, err := g.Jobs.List(r.Context(), user.Subject, before, limit+1)
	if err != nil {
		return problem.Unavailable.WithCause(err)
	}
	page := jobListResponse{Jobs: []jobResponse{}}
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].ID
	}
	for _, j := range found {
		page.Jobs = append(page.Jobs, g.newJobResponse(j))
	}
	return writeJSON(w, http.StatusOK, page)
}

// handleGetJob responds with a job.
func (g *Gateway) handleGetJob(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.waitForJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, g.newJobResponse(j))
}

// handleDeleteJob cancels an unfinished job, whose record remains until it
// expires, and deletes a finished job with its MP3.
func (g *Gateway) handleDeleteJob(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.ownedJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	// Not interrupted when the client leaves. The stores limit the time of each of
	// their operations; a limit for all of them would fail a slow store that works.
	ctx := context.WithoutCancel(r.Context())
	cancelled, err := g.Jobs.Update(ctx, j.ID, func(j *jobs.Job) error {
		return j.Cancel(g.config.Policy, g.Jobs.Now())
	})
	switch {
	case err == nil:
		g.deleteVideo(ctx, cancelled.Video.ID)
	case errors.Is(err, jobs.ErrFinished):
		if err := g.deleteFinished(ctx, j.ID); err != nil {
			return problem.Unavailable.WithCause(err)
		}
	case errors.Is(err, jobs.ErrNotFound): // deleted by another request
	default:
		return problem.Unavailable.WithCause(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteFinished deletes a finished job and its files. It reads the job again,
// because the converter may have added an MP3 since.
func (g *Gateway) deleteFinished(ctx context.Context, jobID string) error {
	j, err := g.Jobs.Get(ctx, jobID)
	if errors.Is(err, jobs.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return jobs.Erase(ctx, g.Jobs, g.Videos, g.Audio, j)
}
