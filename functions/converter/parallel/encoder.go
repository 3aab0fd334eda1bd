package parallel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/sandbox"
)

// encoder is one ffmpeg process that encodes chunk after chunk as one PCM stream.
// The frames around the boundary between two of its chunks are wrong. These are
// look-ahead and warm-up frames, which are dropped.
type encoder struct {
	config Config
	params Params

	mu      sync.Mutex
	pending []expectation // for chunks that were written and not yet read back
}

// expectation says which of the encoder's next frames belong to a chunk's segment.
type expectation struct {
	index  int
	frames int  // to keep; lookAheadFrames more are dropped
	last   bool // keep all frames to the end of the stream
}

// run feeds the encoder with chunks until the queue is closed, and hands a segment for
// each to the assembler.
func (e *encoder) run(parent context.Context, queue <-chan chunk, free chan<- []byte, a *assembler) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	first, ok := receive(ctx, queue)
	if !ok {
		return context.Cause(ctx) // fewer chunks than encoders: none to start
	}
	cmd := e.config.Command(ctx, e.params.encoderArgs())
	var stderr sandbox.Tail
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("connecting the encoder: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("connecting the encoder: %w", err)
	}
	enlargePipe(stdin)
	setBlocking(stdin)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the encoder: %w", err)
	}
	written := make(chan error, 1)
	go func() {
		err := e.writeChunks(ctx, stdin, first, queue, free)
		written <- errors.Join(err, stdin.Close())
	}()
	readErr := e.readSegments(stdout, a)
	endedEarly := errors.Is(readErr, io.ErrUnexpectedEOF)
	if readErr != nil && !endedEarly {
		cancel() // the encoder is still running, and its output cannot be used
	}
	waitErr := cmd.Wait()
	cancel() // an encoder that died leaves writeChunks waiting
	writeErr := <-written
	switch {
	case parent.Err() != nil:
		return context.Cause(parent)
	case readErr != nil && !endedEarly:
		return readErr
	case waitErr != nil:
		return &EncoderError{Err: waitErr, Stderr: stderr.String()}
	case readErr != nil:
		return &EncoderError{Err: readErr, Stderr: stderr.String()}
	}
	return writeErr
}

// writeChunks writes the chunks to the encoder's standard input and gives their buffers
// back to the chunker.
func (e *encoder) writeChunks(ctx context.Context, stdin io.Writer, ch chunk, queue <-chan chunk, free chan<- []byte) error {
	if _, err := stdin.Write(e.params.wavHeader()); err != nil {
		return fmt.Errorf("writing to the encoder: %w", err)
	}
	for ok := true; ok; {
		e.expect(expectation{index: ch.index, frames: len(ch.pcm)/e.params.frameBytes() - lookAheadFrames, last: ch.last})
		if _, err := stdin.Write(ch.pcm); err != nil {
			return fmt.Errorf("writing to the encoder: %w", err)
		}
		free <- ch.pcm // never blocks: the channel holds all buffers
		ch, ok = receive(ctx, queue)
	}
	return context.Cause(ctx)
}

// readSegments reads the encoder's frames and hands them to the assembler in segments.
func (e *encoder) readSegments(stdout io.Reader, a *assembler) error {
	frames := mp3.NewReader(stdout)
	var want expectation
	var s *segment
	for drop := 0; ; {
		f, err := frames.Next()
		if errors.Is(err, io.EOF) {
			return e.endStream(s, a)
		}
		if err != nil {
			return fmt.Errorf("encoder's output: %w", err)
		}
		if drop > 0 {
			drop--
			continue
		}
		if s == nil {
			var ok bool
			if want, ok = e.nextExpected(); !ok {
				continue // a frame that the encoder flushes after the last segment
			}
			s = &segment{index: want.index, last: want.last}
		}
		if err := s.add(f); err != nil {
			return fmt.Errorf("encoder's output: %w", err)
		}
		if !want.last && len(s.frames) == want.frames {
			a.add(s)
			s, drop = nil, lookAheadFrames
		}
	}
}

// endStream hands over the segment that ends with the stream, and fails if a segment is
// incomplete or missing.
func (e *encoder) endStream(s *segment, a *assembler) error {
	if s != nil && s.last {
		a.add(s)
		s = nil
	}
	if _, more := e.nextExpected(); s != nil || more {
		return fmt.Errorf("encoder's output: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

func (e *encoder) expect(x expectation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending = append(e.pending, x)
}

func (e *encoder) nextExpected() (expectation, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.pending) == 0 {
		return expectation{}, false
	}
	x := e.pending[0]
	e.pending = e.pending[1:]
	return x, true
}

// receive waits for a chunk; ok is false if there are no more or ctx ends.
func receive(ctx context.Context, queue <-chan chunk) (ch chunk, ok bool) {
	select {
	case ch, ok = <-queue:
	case <-ctx.Done():
	}
	return ch, ok
}
