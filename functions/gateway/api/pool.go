package api

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"mp3converter/shared/problem"
)

// pool bounds how many requests of one kind run at a time, in all and for each user.
// Others wait for a place. Each kind of long request has a pool of its own, so that
// none of them can keep out another or the short requests, which have no limit.
type pool struct {
	poolLimits
	places *semaphore.Weighted

	mu       sync.Mutex
	requests int64 // running or waiting
	users    map[string]*userPlaces
}

type poolLimits struct {
	running, userRunning int64 // requests that may run
	waiting, userWaiting int64 // requests that may wait for a place
	wait                 time.Duration
}

// userPlaces are the places of one user who has requests.
type userPlaces struct {
	places   *semaphore.Weighted
	requests int64 // running or waiting
}

func newPool(limits poolLimits) *pool {
	return &pool{poolLimits: limits, places: semaphore.NewWeighted(limits.running), users: make(map[string]*userPlaces)}
}

// acquire waits for a place. The caller must call release when the request ends. The
// error is a problem, or that of ctx.
func (p *pool) acquire(ctx context.Context, user string) (release func(), err error) {
	u, err := p.enter(user)
	if err != nil {
		return nil, err
	}
	waitCtx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	// The user's own limit comes first: requests beyond it must not be in line for a
	// place before those of other users.
	if u.places.Acquire(waitCtx, 1) != nil {
		p.leave(user)
		return nil, poolError(ctx, problem.TooManyRequests)
	}
	if p.places.Acquire(waitCtx, 1) != nil {
		u.places.Release(1)
		p.leave(user)
		return nil, poolError(ctx, problem.Busy)
	}
	return func() {
		p.places.Release(1)
		u.places.Release(1)
		p.leave(user)
	}, nil
}

// poolError returns the reason why a request got no place.
func poolError(ctx context.Context, kind problem.Kind) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return kind
}

// enter counts a request of the user, or refuses it.
func (p *pool) enter(user string) (*userPlaces, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[user]
	switch {
	case u != nil && u.requests >= p.userRunning+p.userWaiting:
		return nil, problem.TooManyRequests
	case p.requests >= p.running+p.waiting:
		return nil, problem.Busy
	case u == nil:
		u = &userPlaces{places: semaphore.NewWeighted(p.userRunning)}
		p.users[user] = u
	}
	u.requests++
	p.requests++
	return u, nil
}

func (p *pool) leave(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[user]
	u.requests--
	p.requests--
	if u.requests == 0 {
		delete(p.users, user)
	}
}

// count returns the number of requests that run or wait.
func (p *pool) count() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}
