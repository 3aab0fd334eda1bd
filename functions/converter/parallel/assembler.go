package parallel

import (
	"context"
	"fmt"
	"sync"
)

// assembler puts the segments in order, splices each to the next and writes them.
type assembler struct {
	mu      sync.Mutex
	changed sync.Cond
	ready   map[int]*segment // few: the chunker waits for a slow encoder
	next    int              // index of the segment to write next
}

func newAssembler() *assembler {
	a := &assembler{ready: map[int]*segment{}}
	a.changed.L = &a.mu
	return a
}

// add hands over a finished segment. It does not block.
func (a *assembler) add(s *segment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ready[s.index] = s
	a.changed.Broadcast()
}

// run writes the segments to out in order, until the last.
func (a *assembler) run(ctx context.Context, out *output) error {
	defer context.AfterFunc(ctx, a.broadcast)()
	s, err := a.nextSegment(ctx)
	for err == nil {
		var next *segment
		if !s.last {
			if next, err = a.nextSegment(ctx); err != nil {
				break
			}
			if err := s.splice(next); err != nil {
				return fmt.Errorf("splicing segments %d and %d: %w", s.index, next.index, err)
			}
		}
		if err := out.write(s); err != nil {
			return fmt.Errorf("writing segment %d: %w", s.index, err)
		}
		if s.last {
			return nil
		}
		s = next
	}
	return err
}

// nextSegment waits for the next segment in order, or for the end of ctx.
func (a *assembler) nextSegment(ctx context.Context) (*segment, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.ready[a.next] == nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		a.changed.Wait()
	}
	s := a.ready[a.next]
	delete(a.ready, a.next)
	a.next++
	return s, nil
}

func (a *assembler) broadcast() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed.Broadcast()
}
