package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

// storeTimeout is the time limit of a store operation after the upload. It is generous,
// because an error makes the client send the whole video again.
const storeTimeout = 30 * time.Second

var uploadedBytes = promauto.NewCounter(prometheus.CounterOpts{
	Name: "mp3converter_uploaded_bytes_total",
	Help: "Total size of accepted videos in bytes.",
})

// handleUpload stores the video, then the job, then publishes the wake-up. In
// this order a failure never leaves a job without its video.
func (g *Gateway) handleUpload(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	head, err := g.parseUploadHead(r, user)
	if err != nil {
		return err
	}
	// Until there is a place, nothing of the body is read, so TCP makes the client wait, and
	// no store is queried, except for a notify_url in the query.
	release, err := g.uploads.acquire(r.Context(), user.Subject)
	if err != nil {
		return err
	}
	defer release()
	if head.key != "" {
		return g.uploadOnce(w, r, head)
	}
	job := head.newJob()
	if err := g.admit(r.Context(), job, head.size); err != nil {
		return err
	}
	ctx := logs.With(r.Context(), slog.String("job", job.ID))
	if job, err = g.receive(ctx, w, r, head, job); err != nil {
		return err
	}
	job.Enqueue(g.config.Policy, g.Jobs.Now())
	if err := g.acceptJob(ctx, job); err != nil {
		return err
	}
	countAccepted(ctx, job)
	return g.writeAccepted(w, job)
}

// admit returns an error if the owner of a job may not upload a video of the announced size
// for it. See checkQuotaOf.
func (g *Gateway) admit(ctx context.Context, j jobs.Job, size int64) error {
	if err := g.checkQuotaOf(ctx, j, size); err != nil {
		return err
	}
	return g.checkSpace(ctx, size)
}

// receive stores the video of a request and returns the job with what the request says of
// it. If it fails, no video remains.
func (g *Gateway) receive(ctx context.Context, w http.ResponseWriter, r *http.Request, h uploadHead, j jobs.Job) (jobs.Job, error) {
	body, err := g.openBody(w, r, h)
	if err != nil {
		return j, err
	}
	video := media.Object{ID: j.Video.ID, Job: j.ID, Name: body.name, ContentType: "application/octet-stream"}
	video, err = g.Videos.Put(ctx, video, body.file)
	if err != nil {
		return j, uploadProblem(err)
	}
	err = g.completeBody(ctx, body, &j)
	if err == nil {
		err = g.checkQuotaOf(context.WithoutCancel(ctx), j, video.Size)
	}
	if err != nil {
		g.deleteVideo(ctx, video.ID)
		return j, uploadProblem(err)
	}
	j.Video.Size = video.Size
	return j, nil
}

// countAccepted logs and counts an accepted job.
func countAccepted(ctx context.Context, j jobs.Job) {
	uploadedBytes.Add(float64(j.Video.Size))
	slog.InfoContext(ctx, "job accepted", "bytes", j.Video.Size)
}

// writeAccepted responds with a job and its address.
func (g *Gateway) writeAccepted(w http.ResponseWriter, j jobs.Job) error {
	w.Header().Set("Location", g.absoluteURL("/jobs/"+j.ID))
	return writeJSON(w, http.StatusAccepted, g.newJobResponse(j))
}

// deleteVideo deletes a video that no job needs. If that fails, the janitor
// deletes it later.
func (g *Gateway) deleteVideo(ctx context.Context, videoID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := g.Videos.Delete(ctx, videoID); err != nil {
		slog.WarnContext(ctx, "video not deleted; the janitor will delete it", "video", videoID, "error", err)
	}
}

// uploadProblem converts an error of reading or storing a body into a problem.
func uploadProblem(err error) error {
	var refusal *problem.Error
	var kind problem.Kind
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &refusal), errors.As(err, &kind):
		return err
	case errors.As(err, &size):
		return problem.TooLarge.WithDetail("The limit is %d bytes.", size.Limit)
	case errors.Is(err, errRequestBody) && errors.Is(err, os.ErrDeadlineExceeded):
		return problem.UploadStalled.WithCause(err)
	case errors.Is(err, errRequestBody), errors.Is(err, context.Canceled):
		return problem.BrokenUpload.WithCause(err)
	case errors.Is(err, syscall.ENOSPC):
		return problem.NoSpace.WithCause(err)
	}
	return problem.Unavailable.WithCause(fmt.Errorf("store upload: %w", err))
}
