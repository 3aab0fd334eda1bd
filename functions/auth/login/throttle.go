package login

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys bounds the memory of a throttle: 2 MB or so.
const maxKeys = 10_000

// throttle gives each key an allowance of attempts. It counts for this process
// alone. When there are more keys than it can keep, the one that has not been
// seen for the longest time is forgotten, so whoever has that many addresses
// can have an account's allowance renewed; the allowance of each address still
// holds.
type throttle struct {
	rate  rate.Limit
	burst int

	mu    sync.Mutex
	keys  map[string]*list.Element
	order list.List // of *bucket, the latest seen first
}

type bucket struct {
	key string
	*rate.Limiter
}

func newThrottle(perMinute float64, burst int) *throttle {
	return &throttle{rate: rate.Limit(perMinute / 60), burst: burst, keys: make(map[string]*list.Element)}
}

// take uses up one attempt and returns 0, or how long to wait when there is
// none left.
func (t *throttle) take(key string, now time.Time) time.Duration {
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
