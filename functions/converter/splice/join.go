package splice

import (
	"context"
	"fmt"
	"sync"
)

// aheadPerWorker bounds how many pieces may wait for one that is late.
const aheadPerWorker = 8

// joiner puts the pieces in order and joins each to the next.
type joiner struct {
	ahead int

	mu      sync.Mutex
	changed sync.Cond
	ready   map[int]*piece
	owner   map[int]*worker // who was fed with a piece that is not written yet
	next    int             // index of the piece to be written
}

func newJoiner(workers int) *joiner {
	j := &joiner{ahead: aheadPerWorker * workers, ready: map[int]*piece{}, owner: map[int]*worker{}}
	j.changed.L = &j.mu
	return j
}

// claim notes who encodes a piece.
func (j *joiner) claim(index int, w *worker) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.owner[index] = w
}

// deliver hands a finished piece over. It does not wait.
func (j *joiner) deliver(p *piece) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ready[p.index] = p
	j.changed.Broadcast()
}

// room waits until an encoder that was just fed with piece index may take
// another: until not too much waits for a late piece. The encoder of that late
// piece itself never waits, for its output may hang on further input.
func (j *joiner) room(ctx context.Context, index int, w *worker) error {
	defer context.AfterFunc(ctx, j.wake)()
	j.mu.Lock()
	defer j.mu.Unlock()
	for index-j.next > j.ahead && j.owner[j.next] != w && ctx.Err() == nil {
		j.changed.Wait()
	}
	return context.Cause(ctx)
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
	delete(j.owner, j.next)
	j.next++
	j.changed.Broadcast()
	return p, nil
}

func (j *joiner) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changed.Broadcast()
}
