package inprocess

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Run delivers events until ctx ends. Then it begins no delivery, gives the
// requests in flight Grace to finish, cancels what is left of them, and returns
// when the last handler has. It may be called once.
func (q *Queues) Run(ctx context.Context) {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	var work sync.WaitGroup
	q.mu.RLock()
	for _, w := range q.queues {
		for range w.Workers {
			work.Go(func() { w.work(ctx, requests, &work) })
		}
	}
	q.mu.RUnlock()

	<-ctx.Done()
	q.close()
	late := time.AfterFunc(q.Grace, cancel)
	defer late.Stop()
	work.Wait()
	q.report()
}

// work is one worker: it delivers until ctx ends, each time with a request
// that lives as long as the context requests.
func (w *waiting) work(ctx, requests context.Context, pauses *sync.WaitGroup) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-w.ready:
			if ctx.Err() != nil {
				return // both were ready, and select tosses a coin
			}
			l.tries++
			status, err := deliver(requests, w.name, w.Handler, l.body)
			if ctx.Err() != nil && (err != nil || judge(status) != done) {
				return // told to stop, not unable: nothing to give up, no time to try again
			}
			w.settle(ctx, pauses, l, status, err)
		}
	}
}

// settle decides what becomes of an event after a delivery.
func (w *waiting) settle(ctx context.Context, pauses *sync.WaitGroup, l letter, status int, err error) {
	v := again
	if err == nil {
		v = judge(status)
		err = fmt.Errorf("answered %d", status)
	}
	switch {
	case v == done:
		<-w.slots
	case v == again && l.tries < w.Retry.Tries:
		// The pause is not the worker's: others wait behind this event.
		pauses.Go(func() {
			select {
			case <-time.After(w.Retry.pause(l.tries)):
				w.ready <- l
			case <-ctx.Done():
			}
		})
	default:
		w.DeadLetter(l.event, fmt.Errorf("delivery %d: %w", l.tries, err))
		<-w.slots
	}
}

// report says what is lost with the process.
func (q *Queues) report() {
	q.mu.RLock()
	defer q.mu.RUnlock()
	for name, w := range q.queues {
		if n := len(w.slots); n > 0 {
			slog.Info("events dropped at the end; the janitor will repeat them", "queue", name, "events", n)
		}
	}
}
