// Package worker turns the video of one job into an MP3. It is woken by an
// event, takes the job by a lease, runs ffmpeg, stores the MP3 and records the
// outcome. It serves no users and tells no one: that is for the gateway and the
// notification function.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"mp3converter/functions/converter/sandbox"
	"mp3converter/shared/events"
	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
)

// Config bounds one conversion.
type Config struct {
	FFmpeg      string        `envconfig:"FFMPEG" default:"ffmpeg"`
	FFprobe     string        `envconfig:"FFPROBE" default:"ffprobe"`
	Conversions int64         `envconfig:"CONVERSIONS" default:"1"`               // at the same time
	Bitrate     int           `envconfig:"BITRATE" default:"192"`                 // kbit/s
	MaxDuration time.Duration `envconfig:"MAX_DURATION" default:"12h"`            // of a video
	MaxTime     time.Duration `envconfig:"MAX_CONVERSION" default:"110m"`         // of one attempt
	MaxMemory   uint64        `envconfig:"MAX_MEMORY_BYTES" default:"2147483648"` // address space of ffmpeg
	TempDir     string        `envconfig:"TEMP_DIR"`                              // for the MP3 while it is made; the system's if empty
	Policy      jobs.Policy
}

// Validate names the variable that makes no sense.
func (c Config) Validate() error {
	switch {
	case c.Conversions < 1:
		return errors.New("CONVERSIONS must be at least 1")
	case c.Bitrate < 32 || c.Bitrate > 320:
		return errors.New("BITRATE must be 32 to 320 kbit/s")
	case c.MaxDuration < time.Second:
		return errors.New("MAX_DURATION must be at least 1s")
	case c.MaxTime < time.Second:
		return errors.New("MAX_CONVERSION must be at least 1s")
	case c.MaxMemory < 256<<20:
		return errors.New("MAX_MEMORY_BYTES must be at least 268435456")
	}
	return c.Policy.Validate()
}

// Converter serves the video queue. It is safe for concurrent use.
type Converter struct {
	config Config
	jobs   jobs.Store
	videos media.Store
	audio  media.Store
	queue  queue.Publisher
	slots  *semaphore.Weighted

	working atomic.Int64 // conversions under way
	// stop ends the conversions at work; their jobs go back to the queue.
	stop context.Context
}

// New returns a converter, or says what is missing. Conversions go on when the
// request that began them is gone, and end early only with stop.
func New(stop context.Context, cfg Config, j jobs.Store, videos, audio media.Store, q queue.Publisher) (*Converter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for _, program := range []*string{&cfg.FFmpeg, &cfg.FFprobe} {
		if err := locate(program); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(cfg.TempDir, "mp3converter-")
	if err != nil {
		return nil, fmt.Errorf("TEMP_DIR cannot be written: %w", err)
	}
	os.Remove(dir)
	slog.Info("converter", "sandbox", sandbox.Describe(), "conversions", cfg.Conversions)
	return &Converter{
		config: cfg, jobs: j, videos: videos, audio: audio, queue: q,
		slots: semaphore.NewWeighted(cfg.Conversions), stop: stop,
	}, nil
}

// Handler answers the source of the video queue:
//
//	204  converted, failed for good, or nothing to do
//	400  not an event of ours: it belongs on the dead-letter queue
//	503  try again later
func (c *Converter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /", problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		job, err := events.Job(w, r, events.VideoUploaded)
		if err != nil {
			return problem.BadRequest.WithCause(err)
		}
		// The work outlives the request: if the source goes away, another
		// wake-up would only begin again what is half done here.
		ctx := logs.With(context.WithoutCancel(r.Context()), slog.String("job", job))
		if !c.slots.TryAcquire(1) {
			return problem.Busy.WithRetryAfter(time.Second)
		}
		defer c.slots.Release(1)
		if err := c.Convert(ctx, job); err != nil {
			return problem.Unavailable.WithCause(err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	return problem.Mux(mux)
}
