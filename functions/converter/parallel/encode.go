package parallel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"mp3converter/functions/converter/mp3"
)

// ErrIncomplete means that the PCM was empty or ended within a sample, as if the
// decoder had failed.
var ErrIncomplete = errors.New("incomplete PCM")

// EncoderError means that an encoder failed. Stderr is the end of its standard
// error, which is to be logged, not shown to users.
type EncoderError struct {
	Err    error
	Stderr string
}

func (e *EncoderError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("encoder: %v", e.Err)
	}
	return fmt.Sprintf("encoder: %v: %s", e.Err, e.Stderr)
}

func (e *EncoderError) Unwrap() error { return e.Err }

// Result describes the MP3 that was written.
type Result struct {
	Samples  int64 // of audio, per channel: exactly as many as in the PCM
	Frames   int64 // without the Xing frame
	Bytes    int64 // with the Xing frame
	Segments int
	Xing     mp3.XingHeader // the content of the Xing frame
}

// Encode reads PCM to its end and writes an MP3 at the current position of out: an
// Xing frame, then the audio. It starts c.Workers encoders and holds a few chunks of
// PCM in memory, however long the input is. No encoder is running when it returns. On
// error, the content of out is undefined.
//
// If pcm is an io.Closer, failure and cancellation close it. Otherwise Encode waits
// for the current Read to return.
//
// Encode cannot tell an input that was cut off from a complete one: the caller must
// check that the decoder succeeded.
func Encode(ctx context.Context, c Config, p Params, pcm io.Reader, out io.WriteSeeker) (Result, error) {
	if err := p.validate(); err != nil {
		return Result{}, err
	}
	c, err := c.withDefaults(p)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				cancel(err)
			}
		})
	}

	if closer, ok := pcm.(io.Closer); ok {
		// Without this, a failure would wait for a Read that waits for the decoder.
		defer context.AfterFunc(ctx, func() { _ = closer.Close() })()
	}
	enlargePipe(pcm)
	chunks := newChunker(pcm, c, p)
	segments := newAssembler()
	mp3Out := &output{w: out, params: p, progress: c.Progress}
	queues := make([]chan chunk, c.Workers)
	for i := range queues {
		queues[i] = make(chan chunk, 1)
		e := &encoder{config: c, params: p}
		start(func() error { return e.run(ctx, queues[i], chunks.free, segments) })
	}
	start(func() error { return chunks.run(ctx, queues) })
	start(func() error { return segments.run(ctx, mp3Out) })
	wg.Wait()
	chunks.releaseBuffers()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	samples := chunks.bytesRead / int64(p.bytesPerSample())
	xing, err := mp3Out.writeXingFrame(samples)
	if err != nil {
		return Result{}, fmt.Errorf("writing the Xing frame: %w", err)
	}
	return Result{
		Samples: samples, Frames: xing.Frames, Bytes: mp3Out.bytes(), Segments: segments.next, Xing: xing,
	}, nil
}
