package notify

import (
	"context"
	"sync"
	"time"
)

const (
	// maxUserAttempts is how many attempts at the webhooks of one user run at a time in
	// this process: half of those that a pod serves at a time on a cluster.
	maxUserAttempts = 4
	// placeTimeout is how long an attempt waits for its turn. Receivers that answer
	// quickly leave their places in time; it is the slow ones that must not keep the
	// messages of other users waiting.
	placeTimeout = time.Second
)

// places are the attempts that run at a time, by user. The zero value is ready.
type places struct {
	mu     sync.Mutex
	byUser map[string]*place
}

type place struct {
	taken chan struct{} // one element for each attempt that runs
	users int           // of this struct
}

// take waits for a place of a user, at most for timeout, and reports whether there was one.
// The caller must call release then.
func (p *places) take(ctx context.Context, user string, timeout time.Duration) (release func(), ok bool) {
	mine := p.enter(user)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case mine.taken <- struct{}{}:
		return func() { <-mine.taken; p.leave(user) }, true
	case <-timer.C:
	case <-ctx.Done():
	}
	p.leave(user)
	return nil, false
}

func (p *places) enter(user string) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byUser == nil {
		p.byUser = map[string]*place{}
	}
	if p.byUser[user] == nil {
		p.byUser[user] = &place{taken: make(chan struct{}, maxUserAttempts)}
	}
	p.byUser[user].users++
	return p.byUser[user]
}

func (p *places) leave(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byUser[user].users--; p.byUser[user].users == 0 {
		delete(p.byUser, user)
	}
}
