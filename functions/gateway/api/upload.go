package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"mp3converter/shared/queue"
	"mp3converter/shared/token"
)

const (
	// settle bounds what is done for a client that may be gone already. A store
	// may be slow in a burst, and a refusal would cost the client the whole upload.
	settle = 30 * time.Second
	// wake bounds the wait for the broker: without it the job is accepted
	// all the same, and the janitor wakes the converter.
	wake = 5 * time.Second
)

var uploaded = promauto.NewCounter(prometheus.CounterOpts{
	Name: "mp3converter_uploaded_bytes_total",
	Help: "Bytes of the videos accepted.",
})

// upload stores the video, then the job, then sends the wake-up call: whatever
// of it fails, nothing is left behind but what the record knows of.
func (g *Gateway) upload(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	if r.ContentLength > g.Config.MaxUpload+formOverhead {
		return problem.TooLarge.WithDetail("The limit is %d bytes.", g.Config.MaxUpload)
	}
	if !g.uploads.TryAcquire(1) {
		return problem.Busy.WithRetryAfter(5 * time.Second)
	}
	defer g.uploads.Release(1)

	job := jobs.Job{ID: id.New(), Owner: user.Subject, Email: user.Email}
	ctx := logs.With(r.Context(), slog.String("job", job.ID))

	body, err := g.open(w, r)
	if err != nil {
		return err
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
	if err != nil {
		g.discard(ctx, video.ID)
		return uploadProblem(err)
	}
	job.Name = body.name
	job.Video = jobs.File{ID: video.ID, Size: video.Size}
	job.Enqueue(g.Config.Policy, time.Now())
	if err := g.accept(ctx, job); err != nil {
		return err
	}
	uploaded.Add(float64(video.Size))
	slog.InfoContext(ctx, "job accepted", "bytes", video.Size)

	w.Header().Set("Location", "/jobs/"+job.ID)
	return reply(w, http.StatusAccepted, viewOf(job))
}

// accept makes the job durable and wakes the converter. From here on the
// client's leaving changes nothing.
func (g *Gateway) accept(ctx context.Context, job jobs.Job) error {
	ctx = context.WithoutCancel(ctx)
	storing, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	if err := g.Jobs.Create(storing, job); err != nil {
		// It may have been stored although the answer was lost. If nobody
		// can tell, the janitor removes a video that no job knows of.
		looking, cancel := context.WithTimeout(ctx, settle)
		defer cancel()
		if _, getErr := g.Jobs.Get(looking, job.ID); errors.Is(getErr, jobs.ErrNotFound) {
			g.discard(ctx, job.Video.ID)
			return problem.Unavailable.WithCause(err)
		} else if getErr != nil {
			return problem.Unavailable.WithCause(err)
		}
	}
	waking, cancel := context.WithTimeout(ctx, wake)
	defer cancel()
	if err := g.Queue.Wake(waking, queue.Video, job.ID); err != nil {
		slog.WarnContext(ctx, "job accepted without a wake-up call", "error", err)
	}
	return nil
}

// discard removes a video that will not become a job.
func (g *Gateway) discard(ctx context.Context, video string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	if err := g.Videos.Delete(ctx, video); err != nil {
		slog.WarnContext(ctx, "video left to the janitor", "video", video, "error", err)
	}
}

// uploadProblem tells what went wrong while a body was read and stored.
func uploadProblem(err error) error {
	var refusal *problem.Error
	var kind problem.Kind
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &refusal), errors.As(err, &kind):
		return err
	case errors.As(err, &size):
		return problem.TooLarge.WithDetail("The limit is %d bytes.", size.Limit)
	case errors.Is(err, errBody) && errors.Is(err, os.ErrDeadlineExceeded):
		return problem.UploadStalled.WithCause(err)
	case errors.Is(err, errBody), errors.Is(err, context.Canceled):
		return problem.BrokenUpload.WithCause(err)
	case errors.Is(err, syscall.ENOSPC):
		return problem.NoSpace.WithCause(err)
	}
	return problem.Unavailable.WithCause(fmt.Errorf("store upload: %w", err))
}

func reply(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error here is the client's leaving: there is nobody to tell.
	json.NewEncoder(w).Encode(v)
	return nil
}

// errBody marks an error of reading the request, as against storing it.
var errBody = errors.New("read request body")

// blame marks the errors of a reader as the request's.
type blame struct{ io.Reader }

func (b blame) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errBody, err)
	}
	return n, err
}
