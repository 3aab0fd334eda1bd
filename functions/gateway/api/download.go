package api

import (
	"errors"
	"net/http"

	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

// handleGetAudio responds with the MP3 of a job, or ranges of it.
func (g *Gateway) handleGetAudio(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.waitForJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	return g.serveAudio(w, r, j)
}

// handleDownload is handleGetAudio at the address that existing scripts use. The
// query parameter fid is the id of the job or of its MP3. While the job is unfinished, the
// response is 202 and the job, so that a script can tell "not yet" from "never".
func (g *Gateway) handleDownload(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	fid := r.URL.Query().Get("fid")
	if fid == "" {
		return problem.BadRequest.WithDetail("The parameter fid is missing: /download?fid=ID.")
	}
	j, err := g.waitForJob(r, user, fid)
	if errors.Is(err, problem.JobNotFound) {
		j, err = g.jobByAudio(r, user, fid)
	}
	if err != nil {
		return err
	}
	if !j.State.Final() {
		problem.SetRetryAfter(w.Header(), problem.NotReady)
		return g.writeAccepted(w, j)
	}
	return g.serveAudio(w, r, j)
}

// jobByAudio returns the user's job whose MP3 has the given id.
func (g *Gateway) jobByAudio(r *http.Request, user token.Claims, audioID string) (jobs.Job, error) {
	o, f, err := g.Audio.Open(r.Context(), audioID)
	switch {
	case errors.Is(err, media.ErrNotFound):
		return jobs.Job{}, problem.JobNotFound
	case err != nil:
		return jobs.Job{}, problem.Unavailable.WithCause(err)
	}
	f.Close()
	j, err := g.ownedJob(r, user, o.Job)
	if err == nil && j.Audio.ID != audioID {
		err = problem.JobNotFound
	}
	return j, err
}

// serveAudio responds with the MP3 of a job, or the reason why there is none.
func (g *Gateway) serveAudio(w http.ResponseWriter, r *http.Request, j jobs.Job) error {
	if err := checkMP3(j); err != nil {
		return err
	}
	release, err := g.downloads.acquire(r.Context(), j.Owner)
	if err != nil {
		return err
	}
	defer release()
	_, f, err := g.Audio.Open(r.Context(), j.Audio.ID)
	switch {
	case errors.Is(err, media.ErrNotFound): // deleted since the job was read
		return problem.JobNotFound
	case err != nil:
		return problem.Unavailable.WithCause(err)
	}
	defer f.Close()

	h := w.Header()
	h.Set("Content-Type", "audio/mpeg")
	h.Set("Content-Disposition", attachment(j.AudioName()))
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+j.Audio.ID+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	limitRanges(r.Header)
	http.ServeContent(&downloadWriter{ResponseWriter: w, r: r, pace: g.newPace()}, r, "", j.FinishedAt, f)
	return nil
}

// checkMP3 returns a problem if a job has no MP3, or none yet.
func checkMP3(j jobs.Job) error {
	switch {
	case !j.State.Final():
		return problem.NotReady
	case j.State != jobs.Done:
		return problem.NoMP3.WithDetail("The job is %s.", j.State)
	}
	return nil
}
