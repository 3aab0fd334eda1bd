package worker

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"mp3converter/functions/converter/ffmpeg"
	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/media"
)

var attempts = promauto.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "mp3converter_conversion_seconds",
	Help:    "Time from the claim of a job to the outcome of the attempt.",
	Buckets: []float64{.25, .5, 1, 2, 5, 15, 60, 300, 1200, 3600},
}, []string{"outcome"})

// attempt is one conversion of one job.
type attempt struct {
	worker   *Worker
	job      jobs.Job
	holder   string       // of the lease
	progress atomic.Int64 // percent
}

// Convert claims a job and converts its video: the job whose turn it is, whichever
// one the event names. A nil error means that the message can be acknowledged;
// otherwise it must be redelivered.
func (w *Worker) Convert(ctx context.Context, jobID string) error {
	a, err := w.claim(ctx, jobID)
	switch {
	case jobs.NothingToDo(err):
		slog.InfoContext(ctx, "nothing to do", "job", jobID, "reason", err)
		return nil
	case err != nil:
		return fmt.Errorf("claim: %w", err)
	}
	ctx = logs.With(ctx, slog.String("job", a.job.ID))
	slog.InfoContext(ctx, "job claimed", "attempt", a.job.Attempts, "deaths", a.job.Deaths, "bytes", a.job.Video.Size)
	audio, info, err := a.run(ctx)
	return a.recordOutcome(ctx, audio, info, err)
}

// run converts the video and stores the MP3 while the heartbeat renews the
// lease. It ends early if the lease is lost or the worker stops.
func (a *attempt) run(ctx context.Context) (jobs.File, *conversion.MediaInfo, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.worker.shutdown, func() { cancel(errStopping) })()
	heartbeatDone := make(chan struct{})
	go func() {
		defer close(heartbeatDone)
		a.heartbeat(ctx, cancel)
	}()
	audio, info, err := a.convert(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-heartbeatDone
	return audio, info, err
}

// convert converts the video and stores the MP3 under a new ID. A
// *conversion.Failure is final; after any other error another attempt may succeed.
func (a *attempt) convert(ctx context.Context) (jobs.File, *conversion.MediaInfo, error) {
	video := ffmpeg.Input{Title: a.job.Title(), Size: a.job.Video.Size, Open: func(ctx context.Context) (io.ReadSeekCloser, error) {
		_, r, err := a.worker.videos.Open(ctx, a.job.Video.ID)
		return r, err
	}}
	result, err := a.worker.converter.Convert(ctx, video, a.job.Options, func(percent int) { a.progress.Store(int64(percent)) })
	defer result.Close() //nolint:staticcheck // the result is never nil
	if err != nil {
		return jobs.File{}, result.MediaInfo, err
	}
	object := media.Object{ID: id.New(), Job: a.job.ID, Name: a.job.AudioName(), ContentType: "audio/mpeg"}
	object, err = a.worker.audio.Put(ctx, object, result.MP3)
	if err != nil {
		return jobs.File{}, result.MediaInfo, fmt.Errorf("store MP3: %w", err)
	}
	return jobs.File{ID: object.ID, Size: object.Size}, result.MediaInfo, nil
}
