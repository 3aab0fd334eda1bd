// Package inprocess carries events between functions that live in one process.
// It does what RabbitMQ and Knative's RabbitmqSource do in a cluster: an event
// put on a queue is POSTed, as a structured CloudEvent, to the handler that
// serves the queue, and the handler's status decides what becomes of it.
//
// It keeps nothing: what is queued when the process ends is gone. That is no
// loss, because events are wake-up calls and the janitor repeats them.
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

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/events"
	"mp3converter/shared/queue"
)

var (
	// ErrNoQueue says that no handler serves the queue.
	ErrNoQueue = errors.New("inprocess: no such queue")
	// ErrFull says that as many events wait as the queue can hold.
	ErrFull = errors.New("inprocess: queue is full")
	// ErrClosed says that Run has been told to end.
	ErrClosed = errors.New("inprocess: closed")
)

// Route is how the events of one queue are delivered. Only Handler must be set.
type Route struct {
	Handler http.Handler
	Workers int // deliveries at the same time; 1 if zero
	Buffer  int // events held, waiting or in delivery; 1000 if zero
	Retry   Retry

	// DeadLetter is told of each event that is given up. If nil, a line is
	// logged. It must return soon: it keeps a worker from its work.
	DeadLetter func(e cloudevents.Event, why error)
}

// Queues delivers events to handlers. Make one with New, tell it with Handle
// who serves what, then Run it. Events may be published before it runs.
type Queues struct {
	// Grace is how long requests in flight may go on after Run is told to
	// end before their contexts are cancelled. Set it before Run.
	Grace time.Duration

	mu     sync.RWMutex
	queues map[string]*waiting
	closed bool
}

var _ queue.Publisher = (*Queues)(nil)

// waiting is one queue. An event takes a slot when it is published and gives
// it back when its fate is settled, so ready, which has as many places, always
// has room for an event that comes back for another try.
type waiting struct {
	Route
	name  string
	slots chan struct{}
	ready chan letter
}

// letter is an event on its way.
type letter struct {
	event cloudevents.Event
	body  []byte // the event, structured
	tries int    // deliveries made
}

// New returns Queues that serve nothing yet.
func New() *Queues {
	return &Queues{Grace: 10 * time.Second, queues: make(map[string]*waiting)}
}

// Handle makes r serve the queue of that name. It must be called before Run,
// once for a name.
func (q *Queues) Handle(name string, r Route) {
	if r.Workers <= 0 {
		r.Workers = 1
	}
	if r.Buffer <= 0 {
		r.Buffer = 1000
	}
	if r.DeadLetter == nil {
		r.DeadLetter = func(e cloudevents.Event, why error) {
			slog.Error("event given up", "queue", name, "event", e.ID(), "job", e.Subject(), "error", why)
		}
	}
	r.Retry = r.Retry.orDefault()
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, taken := q.queues[name]; taken {
		panic("inprocess: two handlers for queue " + name)
	}
	q.queues[name] = &waiting{
		Route: r,
		name:  name,
		slots: make(chan struct{}, r.Buffer),
		ready: make(chan letter, r.Buffer),
	}
}

// Wake puts an event about the job on a queue; see Publish.
func (q *Queues) Wake(ctx context.Context, to queue.Queue, jobID string) error {
	return q.Publish(ctx, to.Name, events.New(to.EventType, "local", jobID))
}

// Publish puts e on a queue. It never waits: a full queue is ErrFull.
func (q *Queues) Publish(ctx context.Context, name string, e cloudevents.Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish to %s: %w", name, err)
	}
	if err := e.Validate(); err != nil {
		return fmt.Errorf("publish to %s: invalid event: %w", name, err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish to %s: %w", name, err)
	}
	if err := q.put(name, letter{event: e.Clone(), body: body}); err != nil {
		return fmt.Errorf("publish to %s: %w", name, err)
	}
	return nil
}

func (q *Queues) put(name string, l letter) error {
	// Held while sending, so that nothing is accepted once close has returned.
	q.mu.RLock()
	defer q.mu.RUnlock()
	w := q.queues[name]
	switch {
	case q.closed:
		return ErrClosed
	case w == nil:
		return ErrNoQueue
	}
	select {
	case w.slots <- struct{}{}:
		w.ready <- l
		return nil
	default:
		return ErrFull
	}
}

func (q *Queues) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
