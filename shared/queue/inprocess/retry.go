package inprocess

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Retry says how often, and after what pauses, an event is tried again.
type Retry struct {
	Tries int           // deliveries in all, the first included; 8 if zero
	First time.Duration // pause before the second; 500ms if zero; doubles each time
	Max   time.Duration // longest pause; 30s if zero
}

func (r Retry) orDefault() Retry {
	if r.Tries <= 0 {
		r.Tries = 8
	}
	if r.First <= 0 {
		r.First = 500 * time.Millisecond
	}
	if r.Max <= 0 {
		r.Max = 30 * time.Second
	}
	return r
}

// pause returns how long to wait after so many tries: between half of the
// growing pause and all of it, so that events that failed together do not all
// come back together.
func (r Retry) pause(tries int) time.Duration {
	d := min(r.First, r.Max)
	for range min(tries-1, 62) {
		if d > r.Max/2 {
			d = r.Max
			break
		}
		d *= 2
	}
	return d - rand.N(d/2+1)
}

// verdict is what a status means for the event.
type verdict int

const (
	done verdict = iota
	again
	dead
)

// judge knows the statuses that RabbitmqSource takes as "try again"; see
// package queue.
func judge(status int) verdict {
	switch status {
	case http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return again
	}
	if status >= 200 && status < 300 {
		return done
	}
	return dead
}
