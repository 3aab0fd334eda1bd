package parallel

import (
	"context"
	"fmt"
	"sync"
)

// joiner puts the pieces in order and joins each to the next.
type joiner struct {
	mu      sync.Mutex
	changed sync.Cond
	ready   map[int]*piece // few: the cutter waits for a late encoder
	next    int            // index of the piece that is waited for
}

func newJoiner() *joiner {
	j := &joiner{ready: map[int]*piece{}}
	j.changed.L = &j.mu
	return j
}

// deliver hands a finished piece over. It does not wait.
func (j *joiner) deliver(p *piece) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ready[p.index] = p
	j.changed.Broadcast()
}

// run writes the pieces to s in order, until the last.
func (j *joiner) run(ctx context.Context, s *stream) error {
	defer context.AfterFunc(ctx, j.wake)()
	p, err := j.take(ctx)
	for err == nil {
		var next *piece
		if !p.last {
			if next, err = j.take(ctx); err != nil {
				break
			}
			if err := p.meet(next); err != nil {
				return fmt.Errorf("joining pieces %d and %d: %w", p.index, next.index, err)
			}
		}
		if err := s.write(p); err != nil {
			return fmt.Errorf("writing piece %d: %w", p.index, err)
		}
		if p.last {
			return nil
		}
		p = next
	}
	return err
}

// take waits for the next piece.
func (j *joiner) take(ctx context.Context) (*piece, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.ready[j.next] == nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		j.changed.Wait()
	}
	p := j.ready[j.next]
	delete(j.ready, j.next)
	j.next++
	return p, nil
}

func (j *joiner) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changed.Broadcast()
}
