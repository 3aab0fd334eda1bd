package inprocess

import (
	"context"
	"errors"
	"fmt"
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

	"mp3converter/shared/id"
	"mp3converter/shared/queue"
)

// run starts q. The returned function ends it and waits for Run.
func run(t *testing.T, q *Queues) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan struct{})
	go func() { q.Run(ctx); close(returned) }()
	return func() { cancel(); <-returned }
}

// wake publishes an event about a new job.
func wake(t *testing.T, q *Queues) (jobID string) {
	t.Helper()
	jobID = id.New()
	if err := q.Wake(t.Context(), queue.Video, jobID); err != nil {
		t.Fatal(err)
	}
	return jobID
}

func statusHandler(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// A fixed queue for the tests of this package.
func handle(q *Queues, h http.HandlerFunc, workers int) { q.Handle(queue.Video, h, workers) }

func TestRequestIsAStructuredEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *http.Request
		var body []byte
		q := New("test")
		handle(q, func(_ http.ResponseWriter, req *http.Request) {
			r = req
			body, _ = io.ReadAll(req.Body)
		}, 1)
		defer run(t, q)()
		jobID := wake(t, q)
		synctest.Wait()
		if r == nil {
			t.Fatal("no event was delivered")
		}
		if r.Method != "POST" || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/cloudevents+json" || r.ContentLength != int64(len(body)) {
			t.Errorf("request %s %s, %v, Content-Length %d, body of %d bytes", r.Method, r.URL, r.Header, r.ContentLength, len(body))
		}
		if !strings.Contains(string(body), `"subject":"`+jobID+`"`) || !strings.Contains(string(body), `"specversion":"1.0"`) {
			t.Errorf("body %s is not the event", body)
		}
		if r.Context().Err() == nil {
			t.Error("the request's context outlives the handler")
		}
	})
}

// The clock of these tests is synctest's, so delays are exact and take no time.
func TestDelaysGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		q := New("test")
		q.maxDeliveries, q.firstDelay = 6, 8*time.Second
		q.drop = func(context.Context, message, error) {}
		handle(q, func(w http.ResponseWriter, _ *http.Request) {
			at = append(at, time.Now())
			w.WriteHeader(503)
		}, 1)
		defer run(t, q)()
		wake(t, q)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(at) != 6 {
			t.Fatalf("delivered %d times, want 6", len(at))
		}
		for i, want := range []time.Duration{8 * time.Second, 16 * time.Second, maxDelay, maxDelay, maxDelay} {
			if got := at[i+1].Sub(at[i]); got != want {
				t.Errorf("delay %d is %v, want %v", i+1, got, want)
			}
		}
	})
}

func TestDelayOccupiesNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		delivered := func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(order)
		}
		q := New("test")
		handle(q, func(w http.ResponseWriter, r *http.Request) {
			e, err := cloudevents.NewEventFromHTTPRequest(r)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, e.Subject())
			if len(order) == 1 {
				w.WriteHeader(503)
			}
		}, 1)
		defer run(t, q)()
		first, second := wake(t, q), wake(t, q)
		// No time has passed.
		if got, want := delivered(), []string{first, second}; !slices.Equal(got, want) {
			t.Fatalf("delivered %v, want %v", got, want)
		}
		time.Sleep(q.firstDelay)
		if got, want := delivered(), []string{first, second, first}; !slices.Equal(got, want) {
			t.Errorf("delivered %v, want %v", got, want)
		}
	})
}

func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		q := New("test")
		q.capacity = 3
		handle(q, func(w http.ResponseWriter, _ *http.Request) {
			<-release
			w.WriteHeader(503) // the events are delayed from here on
		}, 1)
		stop := run(t, q)
		for range 3 {
			wake(t, q)
		}
		if err := q.Wake(t.Context(), queue.Video, id.New()); !errors.Is(err, ErrFull) {
			t.Errorf("the fourth event of three: %v, want ErrFull", err)
		}
		close(release)
		synctest.Wait()
		if err := q.Wake(t.Context(), queue.Video, id.New()); !errors.Is(err, ErrFull) {
			t.Errorf("delayed events are not counted: %v", err)
		}
		stop()
	})
}

func TestSlotsAreFreed(t *testing.T) {
	for name, status := range map[string]int{"acknowledged": 204, "dropped": 400} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := New("test")
				q.capacity = 1
				q.drop = func(context.Context, message, error) {}
				q.Handle(queue.Video, statusHandler(status), 1)
				defer run(t, q)()
				for range 5 {
					wake(t, q)
					synctest.Wait()
				}
			})
		})
	}
}

// As in an HTTP server, an informational status is not the final one.
func TestInformationalStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New("test")
		q.drop = func(_ context.Context, _ message, err error) { t.Errorf("dropped: %v", err) }
		handle(q, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNoContent)
		}, 1)
		defer run(t, q)()
		wake(t, q)
		synctest.Wait()
		if n := len(q.consumers[queue.Video.Name].slots); n != 0 {
			t.Errorf("%d events are not acknowledged", n)
		}
	})
}

func TestConcurrentDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		q := New("test")
		handle(q, func(http.ResponseWriter, *http.Request) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			now.Add(-1)
		}, 3)
		defer run(t, q)()
		for range 9 {
			wake(t, q)
		}
		time.Sleep(10 * time.Second)
		if got := most.Load(); got != 3 {
			t.Errorf("%d concurrent deliveries, want 3", got)
		}
	})
}

func TestEventsWaitForRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		q := New("test")
		handle(q, func(http.ResponseWriter, *http.Request) { n.Add(1) }, 1)
		wake(t, q)
		defer run(t, q)()
		synctest.Wait()
		if n.Load() != 1 {
			t.Error("an event published before Run was not delivered")
		}
	})
}

func TestShutdown(t *testing.T) {
	t.Run("a request in progress finishes within the grace time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var ctxErr error
			q := New("test")
			q.Grace = time.Minute
			handle(q, func(_ http.ResponseWriter, r *http.Request) {
				time.Sleep(59 * time.Second)
				ctxErr = r.Context().Err()
			}, 1)
			stop := run(t, q)
			wake(t, q)
			synctest.Wait()
			start := time.Now()
			stop()
			if took := time.Since(start); ctxErr != nil || took != 59*time.Second {
				t.Errorf("Run took %v to end, the request's context: %v", took, ctxErr)
			}
		})
	})
	t.Run("and is cancelled after it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := New("test")
			q.Grace = time.Minute
			q.drop = func(context.Context, message, error) { t.Error("a cancelled event was dropped") }
			handle(q, func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				w.WriteHeader(500)
			}, 1)
			stop := run(t, q)
			wake(t, q)
			synctest.Wait()
			start := time.Now()
			stop()
			if took := time.Since(start); took != time.Minute {
				t.Errorf("Run took %v to end, want 1m", took)
			}
		})
	})
	t.Run("no delivery starts, no event is accepted, delays are not awaited", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var n int
			q := New("test")
			q.firstDelay = time.Hour
			handle(q, func(w http.ResponseWriter, _ *http.Request) {
				n++
				if n == 2 {
					time.Sleep(time.Second)
				}
				w.WriteHeader(503)
			}, 1)
			stop := run(t, q)
			wake(t, q) // will be delayed
			synctest.Wait()
			wake(t, q) // will be in progress
			synctest.Wait()
			wake(t, q) // will wait for the worker
			start := time.Now()
			stop()
			if took := time.Since(start); took != time.Second || n != 2 {
				t.Errorf("Run took %v to end and made %d deliveries, want 1s and 2", took, n)
			}
			if err := q.Wake(t.Context(), queue.Video, id.New()); !errors.Is(err, ErrClosed) {
				t.Errorf("Wake after the end: %v, want ErrClosed", err)
			}
		})
	})
}

// Publishers race with the end of Run. Every accepted event has been delivered once or
// is still in the queue, and nothing happens after the end.
func TestWakeDuringShutdown(t *testing.T) {
	const enough = 200 // deliveries before the end
	q := New("test")
	q.capacity = 50
	var mu sync.Mutex
	delivered := map[string]int{}
	running := make(chan struct{})
	handle(q, func(_ http.ResponseWriter, r *http.Request) {
		e, err := cloudevents.NewEventFromHTTPRequest(r)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		delivered[e.Subject()]++
		if len(delivered) == enough && delivered[e.Subject()] == 1 {
			close(running)
		}
	}, 4)
	stop := run(t, q)
	var ended atomic.Bool
	accepted := map[string]bool{}
	publish := func() error {
		jobID, late := id.New(), ended.Load()
		err := q.Wake(t.Context(), queue.Video, jobID)
		if err == nil {
			mu.Lock()
			accepted[jobID] = true
			mu.Unlock()
		}
		if late && !errors.Is(err, ErrClosed) {
			return fmt.Errorf("Wake after the end of Run: %v, want ErrClosed", err)
		}
		return err
	}
	var publishers sync.WaitGroup
	for range 8 {
		publishers.Go(func() {
			for {
				switch err := publish(); {
				case errors.Is(err, ErrClosed):
					return
				case err != nil && !errors.Is(err, ErrFull):
					t.Error(err)
					return
				}
			}
		})
	}
	wait(t, "the first deliveries", running)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() { stop(); ended.Store(true); close(stopped) }()
	go func() { publishers.Wait(); close(done) }()
	wait(t, "the publishers", done)
	wait(t, "Run", stopped)

	mu.Lock()
	defer mu.Unlock()
	for jobID, n := range delivered {
		if n != 1 || !accepted[jobID] {
			t.Errorf("an event was delivered %d times, accepted: %v", n, accepted[jobID])
		}
	}
	if left := len(q.consumers[queue.Video.Name].slots); len(accepted) != len(delivered)+left {
		t.Errorf("%d events accepted, %d delivered and %d left in the queue", len(accepted), len(delivered), left)
	}
}

func wait(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("waiting for %s took more than a minute", what)
	}
}

func TestTwoHandlersForOneQueuePanic(t *testing.T) {
	q := New("test")
	q.Handle(queue.Video, statusHandler(200), 1)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	q.Handle(queue.Video, statusHandler(200), 1)
}
