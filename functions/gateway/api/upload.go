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

	"mp3converter/shared/id"
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
	if r.ContentLength > g.config.MaxUpload+formOverhead {
		return problem.TooLarge.WithDetail("The limit is %d bytes.", g.config.MaxUpload)
	}
	// Until there is a place, no store is queried and nothing of the body is read, so
	// TCP makes the client wait.
	release, err := g.uploads.acquire(r.Context(), user.Subject)
	if err != nil {
		return err
	}
	defer release()

	size := max(r.ContentLength, 0) // if announced
	if err := g.checkQuota(r.Context(), user.Subject, size); err != nil {
		return err
	}
	if err := g.checkSpace(r.Context(), size); err != nil {
		return err
	}
	job := jobs.Job{ID: id.New(), Owner: user.Subject, Email: user.Email}
	ctx := logs.With(r.Context(), slog.String("job", job.ID))

	body, err := g.openBody(w, r)
	if err != nil {
		return err
	}
	if _, err := g.parseNotifyURL(ctx, body.fields, user.Subject); err != nil {
		return err // before the file is read
	}
	video := media.Object{ID: id.New(), Job: job.ID, Name: body.name, ContentType: "application/octet-stream"}
	video, err = g.Videos.Put(ctx, video, body.file)
	if err != nil {
		return uploadProblem(err)
	}
	err = body.finish()
	if err == nil {
		job.Options, err = parseOptions(body.fields)
	}
	if err == nil {
		job.NotifyURL, err = g.parseNotifyURL(ctx, body.fields, user.Subject)
	}
	if err == nil {
		err = g.checkQuota(context.WithoutCancel(ctx), user.Subject, video.Size)
	}
	if err != nil {
		g.deleteVideo(ctx, video.ID)
		return uploadProblem(err)
	}
	job.Name = body.name
	job.Video = jobs.File{ID: video.ID, Size: video.Size}
	job.Enqueue(g.config.Policy, g.Jobs.Now())
	if err := g.acceptJob(ctx, job); err != nil {
		return err
	}
	uploadedBytes.Add(float64(video.Size))
	slog.InfoContext(ctx, "job accepted", "bytes", video.Size)

	w.Header().Set("Location", g.absoluteURL("/jobs/"+job.ID))
	return writeJSON(w, http.StatusAccepted, g.newJobResponse(job))
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
