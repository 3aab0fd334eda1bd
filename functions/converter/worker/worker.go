// Package worker processes conversion jobs. An event on the video queue wakes
// it; it claims the job with a lease, converts the video, stores the MP3 and
// records the outcome. The gateway serves users, and the notification function
// notifies them.
package worker

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"mp3converter/functions/converter/ffmpeg"
	"mp3converter/shared/events"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
)

// Config configures a Worker.
type Config struct {
	FFmpeg      ffmpeg.Config
	Conversions int64 `envconfig:"CONVERSIONS" default:"1"` // concurrent
	Policy      jobs.Policy
}

// Validate returns an error that names the variable that is out of range.
func (c Config) Validate() error {
	if c.Conversions < 1 {
		return errors.New("CONVERSIONS must be at least 1")
	}
	return errors.Join(c.FFmpeg.Validate(), c.Policy.Validate())
}

// Worker serves the video queue. It is safe for concurrent use.
type Worker struct {
	config    Config
	jobs      jobs.Store
	videos    media.Store
	audio     media.Store
	queue     queue.Publisher
	converter *ffmpeg.Converter
	slots     *semaphore.Weighted
	drain     context.Context // ends when the process is asked to stop
	shutdown  context.Context // ends when running conversions must end
}

// New returns a Worker, or an error if the configuration is invalid or ffmpeg is
// not installed. A conversion outlives its request. After the end of ctx it may
// continue for the time grace; then it is cancelled and its job returns to the queue.
func New(ctx context.Context, grace time.Duration, cfg Config, j jobs.Store, videos, audio media.Store, q queue.Publisher) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.FFmpeg.Conversions = cfg.Conversions
	converter, err := ffmpeg.New(cfg.FFmpeg)
	if err != nil {
		return nil, err
	}
	shutdown, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return &Worker{
		config: cfg, jobs: j, videos: videos, audio: audio, queue: q, converter: converter,
		slots: semaphore.NewWeighted(cfg.Conversions), drain: ctx, shutdown: shutdown,
	}, nil
}

// Handler receives the events of the video queue and answers:
//
//	204  an attempt has ended and is recorded, or there is nothing to do
//	400  not a valid event: the message belongs on the dead-letter queue
//	503  retry later
func (w *Worker) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /", problem.Handler(w.handleEvent))
	return problem.Mux(mux)
}

func (w *Worker) handleEvent(rw http.ResponseWriter, r *http.Request) error {
	job, err := events.JobID(rw, r, events.VideoUploaded)
	if err != nil {
		return problem.BadRequest.WithCause(err)
	}
	// The conversion outlives the request: if the sender disconnects, another
	// wake-up would start the same work again.
	ctx := context.WithoutCancel(r.Context())
	if !w.slots.TryAcquire(1) {
		return problem.Busy.WithRetryAfter(time.Second)
	}
	defer w.slots.Release(1)
	if err := w.Convert(ctx, job); err != nil {
		return problem.Unavailable.WithCause(err)
	}
	rw.WriteHeader(http.StatusNoContent)
	return nil
}
