package parallel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"mp3converter/functions/converter/mp3"
)

// ErrNoAudio says that the PCM was empty.
var ErrNoAudio = errors.New("no audio to encode")

// EncoderError is an encoder that failed, with the last lines that it wrote.
// Those are for the log, not for the user.
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

// Result is what was written.
type Result struct {
	Samples int64 // of music, per channel: exactly those of the PCM
	Frames  int64 // the Info frame not counted
	Bytes   int64 // the Info frame included
	Pieces  int
	Tag     mp3.Tag // what the Info frame says
}

// Encode reads PCM to its end and writes an MP3 at the position where out
// stands: an Info frame, then the music. It starts c.Workers encoders and needs
// a few pieces of PCM as memory, however long the input. When it returns, no
// encoder runs any more; on error, out holds something useless.
//
// Where pcm is an io.Closer, failure and cancellation close it; otherwise they
// wait for the read that is under way.
//
// Who makes the PCM must check that it was made without error before the result
// is used: an end of input that came too early looks like any other.
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
	run := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				cancel(err)
			}
		})
	}

	if closer, ok := pcm.(io.Closer); ok {
		// A reader that waits for a decoder must not keep a failure waiting.
		defer context.AfterFunc(ctx, func() { _ = closer.Close() })()
	}
	widen(pcm)
	cut := newCutter(pcm, c, p)
	join := newJoiner()
	s := &stream{out: out, params: p, report: c.Progress}
	chunks := make([]chan chunk, c.Workers)
	for i := range chunks {
		chunks[i] = make(chan chunk, 1)
		w := &worker{cfg: c, params: p}
		run(func() error { return w.run(ctx, chunks[i], cut.free, join) })
	}
	run(func() error { return cut.run(ctx, chunks) })
	run(func() error { return join.run(ctx, s) })
	wg.Wait()
	cut.release()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	samples := cut.bytes / int64(p.sampleBytes())
	tag, err := s.finish(samples)
	if err != nil {
		return Result{}, fmt.Errorf("writing the Info frame: %w", err)
	}
	return Result{
		Samples: samples, Frames: tag.Frames, Bytes: s.toc.Bytes() + int64(s.head),
		Pieces: join.next, Tag: tag,
	}, nil
}
