package queuetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/shared/queue"
)

// Backend is an implementation under test, from the publisher to the handler.
type Backend struct {
	Publisher queue.Publisher

	// Serve creates the queue and delivers its events to h until the test
	// ends, with the given number of workers and at most the given number of
	// deliveries of one event. A test calls it once.
	Serve func(t *testing.T, q queue.Queue, h http.Handler, workers, deliveries int)

	// Dead waits for the next event on the dead-letter queue of q and returns
	// its job.
	Dead func(t *testing.T, q queue.Queue) (jobID string)
}

// waitTimeout bounds the wait for an expected event.
const waitTimeout = time.Minute

// Run tests a backend. It calls open for each test.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	t.Run("delivers the event", func(t *testing.T) { testDelivery(t, open(t)) })
	t.Run("statuses", func(t *testing.T) { testStatuses(t, open) })
	t.Run("redelivers after a panic", func(t *testing.T) { testPanic(t, open(t)) })
	t.Run("concurrent publishers", func(t *testing.T) { testConcurrentPublishers(t, open(t)) })
	t.Run("one event per worker", func(t *testing.T) { testWorkers(t, open(t)) })
	t.Run("errors of Wake", func(t *testing.T) { testErrors(t, open(t)) })
}

// newQueue returns a queue with a unique name.
func newQueue(prefix string) queue.Queue {
	return queue.Queue{Name: prefix + "-" + id.New(), EventType: events.VideoUploaded}
}

// wake publishes an event about a new job and returns the job.
func wake(t *testing.T, b Backend, q queue.Queue) (jobID string) {
	t.Helper()
	jobID = id.New()
	if err := b.Publisher.Wake(t.Context(), q, jobID); err != nil {
		t.Fatal(err)
	}
	return jobID
}

// eventJobID returns the ID of the job that a request is about.
func eventJobID(t *testing.T, r *http.Request) string {
	e, err := cloudevents.NewEventFromHTTPRequest(r)
	if err != nil {
		t.Error(err)
		return ""
	}
	return e.Subject()
}

func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(waitTimeout):
		t.Fatalf("%s did not arrive in %v", what, waitTimeout)
		panic("unreachable")
	}
}

func testDelivery(t *testing.T, b Backend) {
	type request struct {
		event *cloudevents.Event
		err   error
		line  string
	}
	requests := make(chan request, 10)
	q := newQueue("delivery")
	b.Serve(t, q, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := cloudevents.NewEventFromHTTPRequest(r)
		requests <- request{e, err, r.Method + " " + r.URL.Path}
		w.WriteHeader(http.StatusAccepted)
	}), 1, 1)
	jobID := wake(t, b, q)
	r := next(t, "the event", requests)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if r.line != "POST /" {
		t.Errorf("request %s, want POST /", r.line)
	}
	if err := r.event.Validate(); err != nil {
		t.Error(err)
	}
	e, want := r.event, events.New(q.EventType, "", jobID)
	if !id.Valid(e.ID()) || e.Type() != want.Type() || !strings.HasPrefix(e.Source(), want.Source()) || e.Subject() != jobID ||
		e.DataContentType() != want.DataContentType() || string(e.Data()) != string(want.Data()) {
		t.Errorf("delivered\n%v\nwant an event like\n%v", e, want)
	}
}

// testStatuses checks the table in the documentation of package queue.
func testStatuses(t *testing.T, open func(*testing.T) Backend) {
	for _, c := range []struct {
		status     int
		deliveries int
		dead       bool
	}{
		{200, 1, false}, {202, 1, false}, {204, 1, false},
		{404, 3, true}, {413, 3, true}, {425, 3, true}, {429, 3, true}, {502, 3, true}, {503, 3, true}, {504, 3, true},
		{400, 1, true}, {401, 1, true}, {409, 1, true}, {422, 1, true}, {500, 1, true}, {501, 1, true},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			b := open(t)
			q := newQueue(fmt.Sprintf("status-%d", c.status))
			var mu sync.Mutex
			var first string // job of the first event
			deliveries := 0
			second := make(chan struct{}, 1)
			b.Serve(t, q, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				jobID := eventJobID(t, r)
				mu.Lock()
				defer mu.Unlock()
				if first == "" {
					first = jobID
				}
				if jobID != first {
					second <- struct{}{}
					return
				}
				deliveries++
				w.WriteHeader(c.status)
			}), 1, 3)
			jobID := wake(t, b, q)
			if c.dead {
				if got := b.Dead(t, q); got != jobID {
					t.Errorf("dead letter about %s, want %s", got, jobID)
				}
			}
			// With one worker, a later event is delivered after any
			// immediate redelivery of the first one.
			wake(t, b, q)
			next(t, "the second event", second)
			mu.Lock()
			defer mu.Unlock()
			if first != jobID || deliveries != c.deliveries {
				t.Errorf("delivered %d times, want %d", deliveries, c.deliveries)
			}
		})
	}
}

func testPanic(t *testing.T, b Backend) {
	var mu sync.Mutex
	n := 0
	done := make(chan struct{})
	q := newQueue("panic")
	b.Serve(t, q, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n < 3 {
			panic(http.ErrAbortHandler)
		}
		close(done)
	}), 1, 3)
	wake(t, b, q)
	next(t, "the third delivery", done)
}

func testConcurrentPublishers(t *testing.T, b Backend) {
	const publishers, each = 50, 8
	var mu sync.Mutex
	delivered := map[string]bool{}
	all := make(chan struct{})
	q := newQueue("concurrent")
	b.Serve(t, q, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		jobID := eventJobID(t, r)
		mu.Lock()
		defer mu.Unlock()
		if delivered[jobID] {
			t.Errorf("event about %s delivered twice", jobID)
		}
		delivered[jobID] = true
		if len(delivered) == publishers*each {
			close(all)
		}
	}), 4, 1)
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range each {
				if err := b.Publisher.Wake(t.Context(), q, id.New()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	next(t, "the last event", all)
}

func testWorkers(t *testing.T, b Backend) {
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	q := newQueue("workers")
	b.Serve(t, q, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	}), 2, 1)
	for range 4 {
		wake(t, b, q)
	}
	next(t, "the event of the first worker", entered)
	next(t, "the event of the second worker", entered)
	select {
	case <-entered:
		t.Error("two workers handle three events at once")
	default:
	}
	close(leave)
	next(t, "the third event", entered)
	next(t, "the fourth event", entered)
}

func testErrors(t *testing.T, b Backend) {
	q := newQueue("errors")
	b.Serve(t, q, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("an event was delivered although Wake failed")
	}), 1, 1)
	if err := b.Publisher.Wake(t.Context(), queue.Queue{Name: q.Name}, id.New()); err == nil {
		t.Error("no error for an event without a type")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publisher.Wake(ended, q, id.New()); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v, want context.Canceled", err)
	}
	for range 3 { // a failure must not affect the next call
		if err := b.Publisher.Wake(t.Context(), newQueue("missing"), id.New()); err == nil {
			t.Error("no error for a queue that does not exist")
		}
	}
}
