package inprocess

import (
	"net/http"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/queue/queuetest"
)

func TestSuite(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Backend {
		q := New()
		dead := make(chan string, 10)
		return queuetest.Backend{
			Publisher: q,
			Serve: func(t *testing.T, name string, h http.Handler, workers, deliveries int) {
				q.Handle(name, Route{
					Handler:    h,
					Workers:    workers,
					Retry:      Retry{Tries: deliveries, First: time.Millisecond, Max: time.Millisecond},
					DeadLetter: func(e cloudevents.Event, _ error) { dead <- e.ID() },
				})
				t.Cleanup(run(t, q))
			},
			Dead: func(t *testing.T, _ string) string {
				select {
				case id := <-dead:
					return id
				case <-time.After(time.Minute):
					t.Fatal("no dead letter came")
					return ""
				}
			},
		}
	})
}
