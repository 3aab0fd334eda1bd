package login

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys bounds the memory of a throttle to about 2 MB.
const maxKeys = 10_000

// throttle is a rate limiter per key, for this process only. It keeps the most
// recently used keys. An attacker who tries more than maxKeys accounts can reset the
// limit of one; the limit of each client address still applies.
type throttle struct {
	rate  rate.Limit
	burst int

	mu    sync.Mutex
	keys  map[string]*list.Element
	order list.List // of *bucket, most recently used first
}

type bucket struct {
	key string
	*rate.Limiter
}

func newThrottle(perMinute float64, burst int) *throttle {
	return &throttle{rate: rate.Limit(perMinute / 60), burst: burst, keys: make(map[string]*list.Element)}
}

// allow consumes one attempt and returns 0, or returns the time to wait for the next
// one.
func (t *throttle) allow(key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.keys[key]
	if e == nil {
		if len(t.keys) >= maxKeys {
			oldest := t.order.Back()
			delete(t.keys, t.order.Remove(oldest).(*bucket).key)
		}
		e = t.order.PushFront(&bucket{key, rate.NewLimiter(t.rate, t.burst)})
		t.keys[key] = e
	}
	t.order.MoveToFront(e)
	r := e.Value.(*bucket).ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait
	}
	return 0
}
