package login

import (
	"context"
	"runtime"
	"time"

	"mp3converter/shared/problem"
)

// hasher hashes at most one password per core at a time. A hash takes 19 MiB and a
// full core, so without this bound a burst of logins would exhaust memory
// without finishing sooner.
type hasher struct {
	params params
	slots  chan struct{}
	wait   time.Duration
	dummy  string // a hash to check for unknown users
}

func newHasher(p params, wait time.Duration) *hasher {
	return &hasher{
		params: p,
		slots:  make(chan struct{}, runtime.GOMAXPROCS(0)),
		wait:   wait,
		dummy:  dummyHash(p).String(),
	}
}

// check compares a password with a stored hash. If they match and the hash was made
// with other parameters than the current ones, upgraded is its replacement.
func (h *hasher) check(ctx context.Context, stored, password string) (ok bool, upgraded string, err error) {
	parsed, err := parseHash(stored)
	if err != nil {
		return false, "", problem.Internal.WithCause(err)
	}
	if err := h.acquire(ctx); err != nil {
		return false, "", err
	}
	defer h.release()
	if !parsed.matches(password) {
		return false, "", nil
	}
	if parsed.params != h.params {
		upgraded = newHash(h.params, password).String()
	}
	return true, upgraded, nil
}

// hash returns the hash to store for a new password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	return newHash(h.params, password).String(), nil
}

func (h *hasher) acquire(ctx context.Context) error {
	timeout := time.NewTimer(h.wait)
	defer timeout.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-timeout.C:
		return problem.Busy.WithRetryAfter(time.Second)
	case <-ctx.Done():
		return problem.Busy.WithCause(ctx.Err())
	}
}

func (h *hasher) release() { <-h.slots }
