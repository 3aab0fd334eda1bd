package queuetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/shared/queue"
)

// Backend is one way of carrying events, from the publisher to the handler.
type Backend struct {
	Publisher queue.Publisher

	// Serve makes a queue and delivers what is on it to h until the test
	// ends: with that many workers, and at most that many deliveries of one
	// event. A test calls it once.
	Serve func(t *testing.T, name string, h http.Handler, workers, deliveries int)

	// Dead returns the identifier of the next event on the queue's
	// dead-letter queue, and waits for it.
	Dead func(t *testing.T, name string) string
}

// patience is how long a test waits for what must come.
const patience = time.Minute

// Run tests a backend, which open makes afresh for each test.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	t.Run("the event arrives as it was sent", func(t *testing.T) { arrives(t, open(t)) })
	t.Run("statuses", func(t *testing.T) { statuses(t, open) })
	t.Run("a panic is no answer", func(t *testing.T) { panics(t, open(t)) })
	t.Run("every event of many publishers arrives", func(t *testing.T) { many(t, open(t)) })
	t.Run("one worker takes one event at a time", func(t *testing.T) { oneAtATime(t, open(t)) })
	t.Run("publish refuses", func(t *testing.T) { refuses(t, open(t)) })
}

// Event returns an event that the product could send.
func Event() cloudevents.Event { return events.New(events.VideoUploaded, "queuetest", id.New()) }

func publish(t *testing.T, b Backend, name string, e cloudevents.Event) {
	t.Helper()
	if err := b.Publisher.Publish(t.Context(), name, e); err != nil {
		t.Fatal(err)
	}
}

func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func arrives(t *testing.T, b Backend) {
	type arrival struct {
		event *cloudevents.Event
		err   error
		path  string
	}
	got := make(chan arrival, 10)
	name := "arrives-" + id.New()
	b.Serve(t, name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := cloudevents.NewEventFromHTTPRequest(r)
		got <- arrival{e, err, r.Method + " " + r.URL.Path}
		w.WriteHeader(http.StatusAccepted)
	}), 1, 1)
	sent := Event()
	publish(t, b, name, sent)
	a := next(t, "the event", got)
	if a.err != nil {
		t.Fatal(a.err)
	}
	if a.path != "POST /" {
		t.Errorf("request %s, want POST /", a.path)
	}
	if err := a.event.Validate(); err != nil {
		t.Error(err)
	}
	e := a.event
	if e.ID() != sent.ID() || e.Type() != sent.Type() || e.Source() != sent.Source() || e.Subject() != sent.Subject() ||
		e.DataContentType() != sent.DataContentType() || string(e.Data()) != string(sent.Data()) {
		t.Errorf("arrived\n%v\nsent\n%v", e, sent)
	}
}

// statuses is the table of package queue.
func statuses(t *testing.T, open func(*testing.T) Backend) {
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
			bad := Event()
			var mu sync.Mutex
			deliveries := map[string]int{}
			last := make(chan struct{}, 1)
			name := fmt.Sprintf("status-%d-%s", c.status, id.New())
			b.Serve(t, name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e, err := cloudevents.NewEventFromHTTPRequest(r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				deliveries[e.ID()]++
				mu.Unlock()
				if e.ID() == bad.ID() {
					w.WriteHeader(c.status)
				} else {
					last <- struct{}{}
				}
			}), 1, 3)
			publish(t, b, name, bad)
			if c.dead {
				if got := b.Dead(t, name); got != bad.ID() {
					t.Errorf("dead letter %s, want %s", got, bad.ID())
				}
			}
			// With one worker, an event sent later comes after all that
			// was to happen at once.
			publish(t, b, name, Event())
			next(t, "the second event", last)
			mu.Lock()
			defer mu.Unlock()
			if got := deliveries[bad.ID()]; got != c.deliveries {
				t.Errorf("delivered %d times, want %d", got, c.deliveries)
			}
		})
	}
}

func panics(t *testing.T, b Backend) {
	var mu sync.Mutex
	n := 0
	done := make(chan struct{})
	name := "panics-" + id.New()
	b.Serve(t, name, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n < 3 {
			panic(http.ErrAbortHandler)
		}
		close(done)
	}), 1, 3)
	publish(t, b, name, Event())
	next(t, "the third delivery", done)
}

func many(t *testing.T, b Backend) {
	const publishers, each = 50, 8
	var mu sync.Mutex
	got := map[string]bool{}
	all := make(chan struct{})
	name := "many-" + id.New()
	b.Serve(t, name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := cloudevents.NewEventFromHTTPRequest(r)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if got[e.ID()] {
			t.Errorf("event %s came twice", e.ID())
		}
		got[e.ID()] = true
		if len(got) == publishers*each {
			close(all)
		}
	}), 4, 1)
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range each {
				if err := b.Publisher.Publish(t.Context(), name, Event()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	next(t, "the last event", all)
}

func oneAtATime(t *testing.T, b Backend) {
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	name := "one-" + id.New()
	b.Serve(t, name, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	}), 2, 1)
	for range 4 {
		publish(t, b, name, Event())
	}
	next(t, "the first worker", entered)
	next(t, "the second worker", entered)
	select {
	case <-entered:
		t.Error("two workers took three events at once")
	default:
	}
	close(leave)
	next(t, "the third event", entered)
	next(t, "the fourth event", entered)
}

func refuses(t *testing.T, b Backend) {
	name := "refuses-" + id.New()
	b.Serve(t, name, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a refused event was delivered")
	}), 1, 1)
	incomplete := Event()
	incomplete.SetType("")
	if err := b.Publisher.Publish(t.Context(), name, incomplete); err == nil {
		t.Error("an event without a type was taken")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publisher.Publish(over, name, Event()); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over: %v, want context.Canceled", err)
	}
	for range 3 { // the failure must not stick
		if err := b.Publisher.Publish(t.Context(), "nowhere-"+id.New(), Event()); err == nil {
			t.Error("an event for a queue that does not exist was taken")
		}
	}
}
