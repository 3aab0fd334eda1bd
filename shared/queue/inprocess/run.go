package inprocess

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

// Run delivers events until ctx ends. Then it starts no delivery, lets the requests
// in progress continue for Grace, cancels the rest, and returns when the last handler
// has returned. Call it once.
func (q *Queues) Run(ctx context.Context) {
	requestCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var wg sync.WaitGroup
	q.mu.RLock()
	for _, c := range q.consumers {
		for range c.workers {
			wg.Go(func() { q.consume(ctx, requestCtx, c, &wg) })
		}
	}
	q.mu.RUnlock()

	<-ctx.Done()
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	defer time.AfterFunc(q.Grace, cancel).Stop()
	wg.Wait()
}

// consume delivers events one at a time until ctx ends. The HTTP requests end with
// requestCtx.
func (q *Queues) consume(ctx, requestCtx context.Context, c *consumer, wg *sync.WaitGroup) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-c.ready:
			if ctx.Err() != nil {
				return // select chooses at random if both are ready
			}
			m.deliveries++
			status := deliver(requestCtx, c, m.body)
			switch {
			case status >= 200 && status < 300:
				<-c.slots
			case ctx.Err() != nil:
				return // the handler may have been cancelled
			case retryable(status) && m.deliveries < q.maxDeliveries:
				// A delayed event does not occupy the worker.
				wg.Go(func() { q.redeliver(ctx, c, m) })
			default:
				q.drop(requestCtx, m, fmt.Errorf("queue %s, delivery %d: status %d", c.name, m.deliveries, status))
				<-c.slots
			}
		}
	}
}

// redeliver makes an event ready again after a delay.
func (q *Queues) redeliver(ctx context.Context, c *consumer, m message) {
	delay := min(q.firstDelay<<(m.deliveries-1), maxDelay)
	select {
	case <-time.After(delay):
		c.ready <- m
	case <-ctx.Done():
	}
}

// retryable reports whether RabbitmqSource would deliver again after this status; 0
// is no response.
func retryable(status int) bool {
	switch status {
	case 0, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// deliver POSTs an event to the consumer's handler and returns the status of the
// response, or 0 if the handler panics.
func deliver(ctx context.Context, c *consumer, body []byte) (status int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // as a server does when the handler returns
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.name+".inprocess/", bytes.NewReader(body))
	if err != nil {
		panic(err) // the URL is constant but for the name of the queue
	}
	r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	r.RequestURI, r.RemoteAddr = "/", "inprocess" // as in a server's request

	w := &responseStatus{header: make(http.Header)}
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				slog.ErrorContext(ctx, "panic", "queue", c.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			status = 0
		}
	}()
	c.handler.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK) // if the handler wrote nothing
	return w.status
}

// responseStatus is a ResponseWriter that keeps the status only.
type responseStatus struct {
	header http.Header
	status int
}

func (w *responseStatus) Header() http.Header { return w.header }

func (w *responseStatus) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx precedes the final status
		w.status = status
	}
}

func (w *responseStatus) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(b), nil
}
