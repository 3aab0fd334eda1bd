package rabbitmq

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mp3converter/shared/queue/queuetest"
	"mp3converter/test/rabbitmqtest"
)

func newPublisher(t *testing.T, url string) *Publisher {
	t.Helper()
	p, err := New(Config{URL: url, Timeout: 30 * time.Second})
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
			Serve: func(t *testing.T, name string, h http.Handler, workers, deliveries int) {
				rabbitmqtest.Declare(t, url, name)
				sink := httptest.NewServer(h)
				t.Cleanup(sink.Close)
				(&queuetest.Source{
					URL: url, Queue: name, Sink: sink.URL,
					Parallelism: workers, Retry: deliveries - 1, Backoff: time.Millisecond,
				}).Start(t)
			},
			Dead: func(t *testing.T, name string) string {
				return rabbitmqtest.Receive(t, dead, name+".dead").MessageId
			},
		}
	})
}
