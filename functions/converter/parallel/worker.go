package parallel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"mp3converter/functions/converter/mp3"
)

// worker is one encoder that runs from the first chunk it gets to the last. It
// sees its chunks as one stream of PCM; what it makes of the seams in it is
// dropped. All but the last chunk are as long as a multiple of Period, which keeps
// each in its place in the pattern of padded frames.
type worker struct {
	cfg    Config
	params Params

	mu    sync.Mutex
	spans []span // what was fed and is not yet read back
}

// span tells what becomes of a run of output frames.
type span struct {
	index  int
	frames int  // to keep; postRoll more are dropped
	last   bool // keep everything to the end
}

// run feeds the encoder with chunks until there are none, and delivers a piece
// for each to the joiner.
func (w *worker) run(parent context.Context, chunks <-chan chunk, free chan<- []byte, j *joiner) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	first, ok := receive(ctx, chunks)
	if !ok {
		return context.Cause(ctx) // nothing left to do, so no encoder is started
	}
	cmd := w.cfg.Command(ctx, w.params.args())
	var stderr tail
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("connecting the encoder: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("connecting the encoder: %w", err)
	}
	widen(stdin)
	block(stdin)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the encoder: %w", err)
	}
	fed := make(chan error, 1)
	go func() {
		err := w.feed(ctx, stdin, first, chunks, free)
		fed <- errors.Join(err, stdin.Close())
	}()
	readErr := w.collect(stdout, j)
	if readErr != nil && !errors.Is(readErr, io.ErrUnexpectedEOF) {
		cancel() // the encoder is fine, its output is not
	}
	waitErr := cmd.Wait()
	cancel() // an encoder that died leaves feed waiting
	feedErr := <-fed
	switch {
	case parent.Err() != nil:
		return context.Cause(parent)
	case readErr != nil && !errors.Is(readErr, io.ErrUnexpectedEOF):
		return readErr
	case waitErr != nil:
		return &EncoderError{Err: waitErr, Stderr: stderr.String()}
	case readErr != nil:
		return &EncoderError{Err: readErr, Stderr: stderr.String()}
	}
	return feedErr
}

// feed writes the chunks to the encoder, one after the other.
func (w *worker) feed(ctx context.Context, stdin io.Writer, ch chunk, chunks <-chan chunk, free chan<- []byte) error {
	if _, err := stdin.Write(w.params.wave()); err != nil {
		return fmt.Errorf("feeding the encoder: %w", err)
	}
	for ok := true; ok; {
		w.push(span{index: ch.index, frames: len(ch.pcm)/w.params.frameBytes() - postRoll, last: ch.last})
		if _, err := stdin.Write(ch.pcm); err != nil {
			return fmt.Errorf("feeding the encoder: %w", err)
		}
		free <- ch.pcm // never blocks: it has room for all buffers
		ch, ok = receive(ctx, chunks)
	}
	return context.Cause(ctx)
}

// collect reads the encoder's frames and delivers the pieces.
func (w *worker) collect(stdout io.Reader, j *joiner) error {
	frames := mp3.NewReader(stdout)
	var s span // of the frame at hand
	var p *piece
	for drop := 0; ; {
		f, err := frames.Next()
		if errors.Is(err, io.EOF) {
			return w.finish(p, j)
		}
		if err != nil {
			return fmt.Errorf("encoder's output: %w", err)
		}
		if drop > 0 {
			drop--
			continue
		}
		if p == nil {
			var ok bool
			if s, ok = w.pop(); !ok {
				continue // what the encoder flushed behind its last post-roll
			}
			p = &piece{index: s.index, last: s.last}
		}
		if err := p.add(f); err != nil {
			return fmt.Errorf("encoder's output: %w", err)
		}
		if !s.last && len(p.frames) == s.frames {
			j.deliver(p)
			p, drop = nil, postRoll
		}
	}
}

// finish delivers the piece that ends with the stream, and tells whether all
// came that was expected.
func (w *worker) finish(p *piece, j *joiner) error {
	if p != nil && p.last {
		j.deliver(p)
		p = nil
	}
	if _, more := w.pop(); p != nil || more {
		return fmt.Errorf("encoder's output: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

func (w *worker) push(s span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spans = append(w.spans, s)
}

func (w *worker) pop() (span, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.spans) == 0 {
		return span{}, false
	}
	s := w.spans[0]
	w.spans = w.spans[1:]
	return s, true
}

func receive(ctx context.Context, chunks <-chan chunk) (chunk, bool) {
	select {
	case ch, ok := <-chunks:
		return ch, ok
	case <-ctx.Done():
		return chunk{}, false
	}
}
