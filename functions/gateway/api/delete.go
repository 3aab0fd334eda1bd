package api

import (
	"context"
	"errors"
	"net/http"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

// handleCancelJob ends an unfinished job. Its video is deleted, and its record remains
// until it expires. A converter that has the job notices when it renews its lease.
func (g *Gateway) handleCancelJob(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.ownedJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context()) // see handleDeleteJob
	j, err = g.Jobs.Update(ctx, j.ID, g.cancel)
	switch {
	case errors.Is(err, jobs.ErrFinished):
		return problem.JobFinished
	case errors.Is(err, jobs.ErrNotFound):
		return problem.JobNotFound
	case err != nil:
		return problem.Unavailable.WithCause(err)
	}
	g.deleteVideo(ctx, j.Video.ID)
	return writeJSON(w, http.StatusOK, g.newJobResponse(j))
}

// handleDeleteJob deletes a finished job with its files. With cancel=true it also deletes
// one that is not finished.
func (g *Gateway) handleDeleteJob(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	cancel, err := queryFlag(r.URL.Query(), "cancel")
	if err != nil {
		return err
	}
	j, err := g.ownedJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	// Not interrupted when the client leaves. The stores limit the time of each of
	// their operations; a limit for all of them would fail a slow store that works.
	ctx := context.WithoutCancel(r.Context())
	err = g.deleteFinished(ctx, j)
	for cancel && errors.Is(err, jobs.ErrNotFinished) { // once, unless the job is retried meanwhile
		err = g.cancelAndDelete(ctx, j.ID)
	}
	switch {
	case errors.Is(err, jobs.ErrNotFinished):
		return problem.JobNotFinished
	case err != nil && !errors.Is(err, jobs.ErrNotFound): // else deleted by another request
		return problem.Unavailable.WithCause(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteFinished deletes a job and its files, or returns jobs.ErrNotFinished. A job that
// was finished when it was read still is, unless it was retried; Erase notices that.
func (g *Gateway) deleteFinished(ctx context.Context, j jobs.Job) error {
	if !j.State.Final() {
		return jobs.ErrNotFinished
	}
	return jobs.Erase(ctx, g.Jobs, g.Videos, g.Audio, j)
}

// cancelAndDelete deletes a job. If it finishes meanwhile, it is deleted with its MP3: that
// is what its owner asked for.
func (g *Gateway) cancelAndDelete(ctx context.Context, jobID string) error {
	j, err := g.Jobs.Update(ctx, jobID, g.cancel)
	if errors.Is(err, jobs.ErrFinished) {
		j, err = g.Jobs.Get(ctx, jobID)
	}
	if err != nil {
		return err
	}
	return g.deleteFinished(ctx, j)
}

// cancel is the rule that cancels a job now.
func (g *Gateway) cancel(j *jobs.Job) error { return j.Cancel(g.config.Policy, g.Jobs.Now()) }
