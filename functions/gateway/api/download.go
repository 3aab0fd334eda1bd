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

// audio answers with the MP3 of a job, whole or in ranges.
func (g *Gateway) audio(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.await(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	return g.send(w, r, j)
}

// download is the address that scripts for older converters know: fid is the
// identifier of the job or of its MP3.
func (g *Gateway) download(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	fid := r.URL.Query().Get("fid")
	if fid == "" {
		return problem.BadRequest.WithDetail("Name the file: /download?fid=ID.")
	}
	j, err := g.await(r, user, fid)
	if errors.Is(err, problem.JobNotFound) {
		j, err = g.jobOf(r, user, fid)
	}
	if err != nil {
		return err
	}
	return g.send(w, r, j)
}

// jobOf returns the user's job whose MP3 is stored under the identifier.
func (g *Gateway) jobOf(r *http.Request, user token.Claims, audio string) (jobs.Job, error) {
	o, f, err := g.Audio.Open(r.Context(), audio)
	switch {
	case errors.Is(err, media.ErrNotFound):
		return jobs.Job{}, problem.JobNotFound
	case err != nil:
		return jobs.Job{}, problem.Unavailable.WithCause(err)
	}
	f.Close()
	j, err := g.own(r, user, o.Job)
	if err == nil && j.Audio.ID != audio {
		err = problem.JobNotFound
	}
	return j, err
}

func (g *Gateway) send(w http.ResponseWriter, r *http.Request, j jobs.Job) error {
	switch {
	case !j.State.Final():
		return problem.NotReady.WithRetryAfter(2 * time.Second)
	case j.State != jobs.Done:
		return problem.NoMP3.WithDetail("The job is %s.", j.State)
	}
	_, f, err := g.Audio.Open(r.Context(), j.Audio.ID)
	switch {
	case errors.Is(err, media.ErrNotFound): // deleted between two looks
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
	http.ServeContent(&download{ResponseWriter: w, r: r, stall: g.Config.Stall}, r, "", j.FinishedAt, f)
	return nil
}

// download moves the deadline of the connection as long as the client keeps
// taking, and puts a problem in place of ServeContent's plain refusals.
type download struct {
	http.ResponseWriter
	r       *http.Request
	stall   time.Duration
	refused bool
}

// stride is what a client must take within the stall time.
const stride = 256 << 10

func (d *download) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		d.refused = true
		problem.Write(d.ResponseWriter, d.r, problem.BadRange)
		return
	}
	d.ResponseWriter.WriteHeader(status)
}

func (d *download) Write(b []byte) (int, error) {
	if d.refused {
		return len(b), nil
	}
	d.patience()
	return d.ResponseWriter.Write(b)
}

// ReadFrom hands the file down in strides, bare, so that the kernel can copy it
// to the socket.
func (d *download) ReadFrom(src io.Reader) (total int64, err error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{d}, src)
	}
	for limited.N > 0 {
		d.patience()
		n, err := io.CopyN(d.ResponseWriter, limited.R, min(stride, limited.N))
		limited.N -= n
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (d *download) patience() {
	// A writer without a connection, as in a test, has no deadlines.
	_ = http.NewResponseController(d.ResponseWriter).SetWriteDeadline(time.Now().Add(d.stall))
}
