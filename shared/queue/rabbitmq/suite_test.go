package rabbitmq

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/queue"
	"mp3converter/shared/queue/queuetest"
	"mp3converter/test/rabbitmqtest"
)

func newPublisher(t *testing.T, url string) *Publisher {
	t.Helper()
	p, err := New(Config{URL: url, Timeout: 30 * time.Second}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestSuite(t *testing.T) {
	url := rabbitmqtest.URL(t)
	dead := rabbitmqtest.Channel(t, url)
	queuetest.Run(t, func(t *testing.T) queuetest.Backend {
		return queuetest.Backend{
			Publisher: newPublisher(t, url),
			Serve: func(t *testing.T, q queue.Queue, h http.Handler, workers, deliveries int) {
				rabbitmqtest.Declare(t, url, q.Name)
				sink := httptest.NewServer(h)
				t.Cleanup(sink.Close)
				(&queuetest.RabbitmqSource{
					URL: url, Queue: q.Name, Sink: sink.URL,
					Parallelism: workers, Retry: deliveries - 1, Backoff: time.Millisecond,
				}).Start(t)
			},
			Dead: func(t *testing.T, q queue.Queue) string {
				var e cloudevents.Event
				if err := e.UnmarshalJSON(rabbitmqtest.Receive(t, dead, q.Name+".dead").Body); err != nil {
					t.Fatal(err)
				}
				return e.Subject()
			},
		}
	})
}
