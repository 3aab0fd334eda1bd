package inprocess

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
)

// run starts q and returns a way to end it that waits for Run to return.
func run(t *testing.T, q *Queues) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan struct{})
	go func() { q.Run(ctx); close(returned) }()
	return func() { cancel(); <-returned }
}

func event() cloudevents.Event { return events.New(events.VideoUploaded, "test", id.New()) }

func publish(t *testing.T, q *Queues, e cloudevents.Event) {
	t.Helper()
	if err := q.Publish(t.Context(), "q", e); err != nil {
		t.Fatal(err)
	}
}

func statusHandler(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func TestRequestIsAStructuredEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *http.Request
		var body []byte
		q := New()
		q.Handle("q", Route{Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			r = req
			body, _ = io.ReadAll(req.Body)
		})})
		defer run(t, q)()
		e := event()
		publish(t, q, e)
		synctest.Wait()
		if r == nil {
			t.Fatal("nothing was delivered")
		}
		if r.Method != "POST" || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/cloudevents+json" || r.ContentLength != int64(len(body)) {
			t.Errorf("request %s %s, %v, %d bytes announced, %d sent", r.Method, r.URL, r.Header, r.ContentLength, len(body))
		}
		if !strings.Contains(string(body), `"id":"`+e.ID()+`"`) || !strings.Contains(string(body), `"specversion":"1.0"`) {
			t.Errorf("body %s is not the event", body)
		}
		if r.Context().Err() == nil {
			t.Error("the request's context outlives the handler")
		}
	})
}

// Time in these tests is synctest's, so pauses are exact and cost nothing.
func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		q := New()
		q.Handle("q", Route{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				at = append(at, time.Now())
				w.WriteHeader(503)
			}),
			Retry:      Retry{Tries: 6, First: time.Second, Max: 4 * time.Second},
			DeadLetter: func(cloudevents.Event, error) {},
		})
		defer run(t, q)()
		publish(t, q, event())
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(at) != 6 {
			t.Fatalf("delivered %d times, want 6", len(at))
		}
		for i, full := range []time.Duration{1, 2, 4, 4, 4} {
			full *= time.Second
			if got := at[i+1].Sub(at[i]); got < full/2 || got > full {
				t.Errorf("pause %d lasted %v, want %v to %v", i+1, got, full/2, full)
			}
		}
	})
}

func TestPauseNeverOverflows(t *testing.T) {
	r := Retry{Tries: 1 << 30, First: time.Hour, Max: 1 << 62}
	for _, tries := range []int{1, 30, 63, 64, 1 << 30} {
		if d := r.pause(tries); d <= 0 || d > r.Max {
			t.Errorf("pause(%d) = %v", tries, d)
		}
	}
	if d := (Retry{First: time.Hour, Max: time.Second}).pause(1); d > time.Second {
		t.Errorf("pause %v is longer than the longest", d)
	}
}

func TestWaitingForARetryOccupiesNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := event(), event()
		var mu sync.Mutex
		var order []string
		delivered := func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(order)
		}
		q := New()
		q.Handle("q", Route{
			Workers: 1,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e, err := cloudevents.NewEventFromHTTPRequest(r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, e.ID())
				if len(order) == 1 {
					w.WriteHeader(503)
				}
			}),
			Retry: Retry{First: time.Hour, Max: time.Hour},
		})
		defer run(t, q)()
		publish(t, q, first)
		publish(t, q, second)
		// No time has passed.
		if got, want := delivered(), []string{first.ID(), second.ID()}; !slices.Equal(got, want) {
			t.Fatalf("delivered %v, want %v", got, want)
		}
		time.Sleep(time.Hour)
		if got, want := delivered(), []string{first.ID(), second.ID(), first.ID()}; !slices.Equal(got, want) {
			t.Errorf("delivered %v, want %v", got, want)
		}
	})
}

func TestFullQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		q := New()
		q.Handle("q", Route{
			Buffer: 3,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				<-release
				w.WriteHeader(503) // from here on, waiting for a retry
			}),
			Retry: Retry{First: time.Hour, Max: time.Hour},
		})
		stop := run(t, q)
		for range 3 {
			publish(t, q, event())
		}
		if err := q.Publish(t.Context(), "q", event()); !errors.Is(err, ErrFull) {
			t.Errorf("the fourth event of three: %v, want ErrFull", err)
		}
		close(release)
		synctest.Wait()
		if err := q.Publish(t.Context(), "q", event()); !errors.Is(err, ErrFull) {
			t.Errorf("events that wait for a retry are not counted: %v", err)
		}
		stop()
	})
}

func TestRoomComesBack(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"done":         statusHandler(204),
		"dead letters": statusHandler(400),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := New()
				q.Handle("q", Route{Buffer: 1, Handler: h, DeadLetter: func(cloudevents.Event, error) {}})
				defer run(t, q)()
				for range 5 {
					publish(t, q, event())
					synctest.Wait()
				}
			})
		})
	}
}

func TestWorkersRunSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		q := New()
		q.Handle("q", Route{
			Workers: 3,
			Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Second)
				now.Add(-1)
			}),
		})
		defer run(t, q)()
		for range 9 {
			publish(t, q, event())
		}
		time.Sleep(10 * time.Second)
		if got := most.Load(); got != 3 {
			t.Errorf("%d deliveries at once, want 3", got)
		}
	})
}

func TestEventsWaitForRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		q := New()
		q.Handle("q", Route{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) })})
		publish(t, q, event())
		defer run(t, q)()
		synctest.Wait()
		if n.Load() != 1 {
			t.Error("an event published before Run was not delivered")
		}
	})
}

func TestEnd(t *testing.T) {
	t.Run("a request in flight finishes within the grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var cut error
			q := New()
			q.Grace = time.Minute
			q.Handle("q", Route{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				time.Sleep(59 * time.Second)
				cut = r.Context().Err()
			})})
			stop := run(t, q)
			publish(t, q, event())
			synctest.Wait()
			start := time.Now()
			stop()
			if took := time.Since(start); cut != nil || took != 59*time.Second {
				t.Errorf("Run took %v to end, the request's context: %v", took, cut)
			}
		})
	})
	t.Run("and is cancelled after it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := New()
			q.Grace = time.Minute
			q.Handle("q", Route{
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					<-r.Context().Done()
					w.WriteHeader(500)
				}),
				DeadLetter: func(cloudevents.Event, error) { t.Error("an event that was cut short was given up") },
			})
			stop := run(t, q)
			publish(t, q, event())
			synctest.Wait()
			start := time.Now()
			stop()
			if took := time.Since(start); took != time.Minute {
				t.Errorf("Run took %v to end, want the grace of 1m", took)
			}
		})
	})
	t.Run("nothing new begins, nothing more is taken, pauses are not waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var n int
			q := New()
			q.Handle("q", Route{
				Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					n++
					if n == 2 {
						time.Sleep(time.Second)
					}
					w.WriteHeader(503)
				}),
				Retry: Retry{First: time.Hour, Max: time.Hour},
			})
			stop := run(t, q)
			publish(t, q, event()) // to wait for its retry
			synctest.Wait()
			publish(t, q, event()) // to be in flight
			synctest.Wait()
			publish(t, q, event()) // to wait for the worker
			start := time.Now()
			stop()
			if took := time.Since(start); took != time.Second || n != 2 {
				t.Errorf("Run took %v to end and made %d deliveries, want 1s and 2", took, n)
			}
			if err := q.Publish(t.Context(), "q", event()); !errors.Is(err, ErrClosed) {
				t.Errorf("Publish after the end: %v, want ErrClosed", err)
			}
		})
	})
}

// Publishing races the end. What is taken is delivered or dropped, and neither
// side waits for the other.
func TestPublishDuringTheEnd(t *testing.T) {
	q := New()
	q.Handle("q", Route{Handler: statusHandler(200), Workers: 4, Buffer: 50})
	stop := run(t, q)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				if err := q.Publish(t.Context(), "q", event()); errors.Is(err, ErrClosed) {
					return
				}
			}
		})
	}
	stop()
	wg.Wait()
}

func TestTwoHandlersForOneQueuePanic(t *testing.T) {
	q := New()
	q.Handle("q", Route{Handler: statusHandler(200)})
	defer func() {
		if recover() == nil {
			t.Error("the second handler was taken")
		}
	}()
	q.Handle("q", Route{Handler: statusHandler(200)})
}
