package inprocess

import (
	"context"
	"net/http"
	"testing"
	"time"

	"mp3converter/shared/queue"
	"mp3converter/shared/queue/queuetest"
)

func TestSuite(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Backend {
		q := New("test")
		dropped := make(chan string, 10)
		q.drop = func(_ context.Context, m message, _ error) { dropped <- m.jobID }
		return queuetest.Backend{
			Publisher: q,
			Serve: func(t *testing.T, served queue.Queue, h http.Handler, workers, deliveries int) {
				q.maxDeliveries, q.firstDelay = deliveries, time.Millisecond
				q.Handle(served, h, workers)
				t.Cleanup(run(t, q))
			},
			Dead: func(t *testing.T, _ queue.Queue) string {
				select {
				case jobID := <-dropped:
					return jobID
				case <-time.After(time.Minute):
					t.Fatal("no event was dropped")
					return ""
				}
			},
		}
	})
}
