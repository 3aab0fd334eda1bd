// Package inprocess carries wake-ups between functions in one process. An event is
// POSTed to the handler that serves its queue, as RabbitMQ and RabbitmqSource do on a
// cluster, and the status decides what happens to it; see package queue.
//
// Queues are in memory. What is queued when the process ends is lost, which is
// harmless: the janitor sends another wake-up.
package inprocess

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"mp3converter/shared/events"
	"mp3converter/shared/queue"
)

var (
	// ErrNoQueue means that no handler serves the queue.
	ErrNoQueue = errors.New("inprocess: no such queue")
	// ErrFull means that the queue holds as many events as it can.
	ErrFull = errors.New("inprocess: queue is full")
	// ErrClosed means that Run is ending.
	ErrClosed = errors.New("inprocess: closed")
)

// Queues delivers events to handlers. Call Handle for every queue, then Run. Events
// may be published before Run. It is safe for concurrent use.
type Queues struct {
	// Grace is how long requests in progress may continue after the context
	// of Run has ended. Set it before Run.
	Grace time.Duration

	source        string        // of the events
	capacity      int           // events per queue: waiting, in delivery or delayed
	maxDeliveries int           // of one event
	firstDelay    time.Duration // before the second delivery; doubles each time
	drop          func(ctx context.Context, m message, err error)

	mu        sync.RWMutex
	consumers map[string]*consumer // by name of the queue
	closed    bool
}

var _ queue.Publisher = (*Queues)(nil)

const maxDelay = 30 * time.Second

// consumer is one queue and its handler. An event takes a slot when it is published
// and frees it when it is acknowledged or dropped. ready has the same capacity, so
// that an event can always return to it.
type consumer struct {
	name    string
	handler http.Handler
	workers int
	slots   chan struct{}
	ready   chan message
}

type message struct {
	jobID      string
	body       []byte // the event in structured mode
	deliveries int
}

// New returns Queues. Their events have the CloudEvents source /mp3converter/source.
func New(source string) *Queues {
	return &Queues{
		Grace: 10 * time.Second, source: source, capacity: 100_000, maxDeliveries: 8, firstDelay: 500 * time.Millisecond,
		drop: func(ctx context.Context, m message, err error) {
			slog.ErrorContext(ctx, "event dropped; the janitor will send another", "job", m.jobID, "error", err)
		},
		consumers: make(map[string]*consumer),
	}
}

// Handle lets h serve a queue with the given number of concurrent deliveries. Call it
// before Run, once for each queue.
func (q *Queues) Handle(served queue.Queue, h http.Handler, workers int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.consumers[served.Name] != nil {
		panic("inprocess: two handlers for queue " + served.Name)
	}
	q.consumers[served.Name] = &consumer{
		name: served.Name, handler: h, workers: workers,
		slots: make(chan struct{}, q.capacity), ready: make(chan message, q.capacity),
	}
}

// Wake puts an event about the job on a queue. It does not block: if the queue is
// full it returns ErrFull.
func (q *Queues) Wake(ctx context.Context, to queue.Queue, jobID string) error {
	err := ctx.Err()
	if err == nil {
		err = q.publish(to, jobID)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", to.Name, err)
	}
	return nil
}

func (q *Queues) publish(to queue.Queue, jobID string) error {
	e := events.New(to.EventType, q.source, jobID)
	if err := e.Validate(); err != nil {
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	// Held while sending, so that nothing is accepted after Run has closed.
	q.mu.RLock()
	defer q.mu.RUnlock()
	c := q.consumers[to.Name]
	switch {
	case q.closed:
		return ErrClosed
	case c == nil:
		return ErrNoQueue
	}
	select {
	case c.slots <- struct{}{}:
		c.ready <- message{jobID: jobID, body: body}
		return nil
	default:
		return ErrFull
	}
}
