package api

import (
	"errors"
	"io"
	"net/http"
	"time"

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
// query parameter fid is the id of the job or of its MP3.
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
	switch {
	case !j.State.Final():
		return problem.NotReady.WithRetryAfter(2 * time.Second)
	case j.State != jobs.Done:
		return problem.NoMP3.WithDetail("The job is %s.", j.State)
	}
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
	http.ServeContent(&downloadWriter{ResponseWriter: w, r: r, idleTimeout: g.config.IdleTimeout}, r, "", j.FinishedAt, f)
	return nil
}

// downloadWriter extends the connection's write deadline while the client keeps
// reading, and replaces the plain errors of http.ServeContent with problems.
type downloadWriter struct {
	http.ResponseWriter
	r           *http.Request
	idleTimeout time.Duration
	rejected    bool // the problem has been written
}

// stride is how many bytes a client must read within the idle timeout.
const stride = 256 << 10

func (d *downloadWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		d.rejected = true
		problem.Write(d.ResponseWriter, d.r, problem.BadRange)
		return
	}
	d.ResponseWriter.WriteHeader(status)
}

func (d *downloadWriter) Write(b []byte) (int, error) {
	if d.rejected {
		return len(b), nil
	}
	d.extendDeadline()
	return d.ResponseWriter.Write(b)
}

// ReadFrom passes the file itself to the underlying writer, which lets the
// kernel copy it to the socket (sendfile). It does so in strides, to extend the
// deadline between them.
func (d *downloadWriter) ReadFrom(src io.Reader) (total int64, err error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{d}, src)
	}
	for limited.N > 0 {
		d.extendDeadline()
		n, err := io.CopyN(d.ResponseWriter, limited.R, min(stride, limited.N))
		limited.N -= n
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (d *downloadWriter) extendDeadline() {
	// Response writers without a connection, as in tests, have no deadlines.
	_ = http.NewResponseController(d.ResponseWriter).SetWriteDeadline(time.Now().Add(d.idleTimeout))
}
