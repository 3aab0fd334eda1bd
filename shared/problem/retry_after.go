package problem

import (
	"net/http"
	"time"
)

// byCode is after which time a request with such a response may succeed, where it differs
// from that of other kinds of the same status.
var byCode = map[string]time.Duration{
	NotReady.Code:            2 * time.Second,
	IdempotencyKeyInUse.Code: 5 * time.Second, // another request is sending the file
	TooManyJobs.Code:         time.Minute,
}

// byStatus is that time for all kinds with a status.
var byStatus = map[int]time.Duration{
	http.StatusLocked:              2 * time.Second, // another request is changing the same thing
	http.StatusTooManyRequests:     5 * time.Second,
	http.StatusServiceUnavailable:  5 * time.Second,
	http.StatusInsufficientStorage: 5 * time.Minute, // until MP3s have expired
}

// retryAfter returns after which time the same request may succeed, or 0 if the request
// has to change or nobody knows.
func (k Kind) retryAfter() time.Duration {
	if d := byCode[k.Code]; d > 0 {
		return d
	}
	return byStatus[k.Status]
}
