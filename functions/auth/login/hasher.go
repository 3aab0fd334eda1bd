package login

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"mp3converter/shared/problem"
)

// hasher hashes as many passwords at a time as there are processors. A hash
// takes 19 MiB and all of a processor, so without a bound a burst of logins
// would take all memory and finish none sooner.
type hasher struct {
	params params
	slots  chan struct{}
	wait   time.Duration
	dummy  string // the hash of a password that nobody has

	derivations atomic.Int64 // done so far
}

func newHasher(p params, wait time.Duration) *hasher {
	return &hasher{
		params: p,
		slots:  make(chan struct{}, runtime.GOMAXPROCS(0)),
		wait:   wait,
		dummy:  newHash(p, "nobody's").String(),
	}
}

// check compares a password with a stored hash. When they match and the hash
// was made with other parameters than today's, fresh is one to replace it.
func (h *hasher) check(ctx context.Context, stored, password string) (right bool, fresh string, err error) {
	parsed, err := parseHash(stored)
	if err != nil {
		return false, "", problem.Internal.WithCause(err)
	}
	if err := h.acquire(ctx); err != nil {
		return false, "", err
	}
	defer h.release()
	h.derivations.Add(1)
	if !parsed.matches(password) {
		return false, "", nil
	}
	if parsed.params != h.params {
		h.derivations.Add(1)
		fresh = newHash(h.params, password).String()
	}
	return true, fresh, nil
}

// hash returns what to store of a new password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	h.derivations.Add(1)
	return newHash(h.params, password).String(), nil
}

func (h *hasher) acquire(ctx context.Context) error {
	late := time.NewTimer(h.wait)
	defer late.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-late.C:
		return problem.Busy.WithRetryAfter(time.Second)
	case <-ctx.Done():
		return problem.Busy.WithCause(ctx.Err())
	}
}

func (h *hasher) release() { <-h.slots }
