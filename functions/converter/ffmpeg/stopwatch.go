package ffmpeg

import (
	"context"
	"sync"
	"time"
)

// stopwatch measures how long a conversion has been running, without the time during
// which it waited for the store. A slow store must not use up the time of a video. It
// is safe for concurrent use.
type stopwatch struct {
	mu      sync.Mutex
	started time.Time
	waits   int           // reads that are waiting for the store
	since   time.Time     // when waits became 1
	waited  time.Duration // before that
}

func newStopwatch() *stopwatch { return &stopwatch{started: time.Now()} }

// pause stops the stopwatch until a matching resume.
func (s *stopwatch) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits == 0 {
		s.since = time.Now()
	}
	s.waits++
}

func (s *stopwatch) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits--; s.waits == 0 {
		s.waited += time.Since(s.since)
	}
}

// read returns the time spent running and the time spent waiting.
func (s *stopwatch) read() (running, waiting time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting = s.waited
	if s.waits > 0 {
		waiting += time.Since(s.since)
	}
	return time.Since(s.started) - waiting, waiting
}

// minTick bounds how often withLimit looks at a paused stopwatch.
const minTick = 10 * time.Millisecond

// withLimit returns a context that ends with errTimeout when the stopwatch has run for
// as long as limit returns, which may grow meanwhile.
func (s *stopwatch) withLimit(ctx context.Context, limit func() time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	begin, _ := s.read()
	go func() {
		for {
			now, _ := s.read()
			rest := limit() - (now - begin)
			if rest <= 0 {
				cancel(errTimeout)
				return
			}
			select {
			case <-time.After(max(rest, minTick)):
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}
