// Package queuetest holds what every publisher must do, as a test suite, and a
// small stand-in for Knative's RabbitmqSource. It is for tests alone.
package queuetest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/client"
	amqp "github.com/rabbitmq/amqp091-go"
)

// prefetch is what RabbitmqSource asks for, whatever its parallelism.
const prefetch = 100

// Source consumes a queue and POSTs its events to a sink, with the habits of
// RabbitmqSource's adapter. It even uses the same client library, so it tries
// again on the same answers (404, 413, 425, 429, 502, 503, 504 and no answer),
// and events leave it in binary mode though they are structured on the queue.
type Source struct {
	URL         string // of the broker
	Queue       string
	Sink        string        // where events are POSTed
	Parallelism int           // workers; 1 if zero
	Retry       int           // tries after the first; none if zero
	Backoff     time.Duration // the first pause is twice this, and each is twice the one before

	cancel context.CancelFunc
	ended  chan struct{}
}

// Start begins to consume, and goes on until Stop or the end of the test. It
// comes back by itself when the connection breaks.
func (s *Source) Start(t testing.TB) {
	t.Helper()
	// The adapter's client has no timeout: a sink may take for ever.
	transport := &http.Transport{MaxIdleConnsPerHost: max(1, s.Parallelism)}
	protocol, err := cloudevents.NewHTTP(cloudevents.WithTarget(s.Sink), cloudevents.WithRoundTripper(transport))
	if err != nil {
		t.Fatal(err)
	}
	sink, err := cloudevents.NewClient(protocol, client.WithTimeNow())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan struct{})
	go func() {
		defer close(s.ended)
		defer transport.CloseIdleConnections()
		for ctx.Err() == nil {
			s.consume(ctx, sink)
			select { // connection lost, or not to be had
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(s.Stop)
}

// Stop does what the adapter does on SIGTERM: the POSTs in flight are cancelled
// and their messages refused without requeue. Messages that no worker had yet
// go back to the queue. To stop twice is no error.
func (s *Source) Stop() {
	if s.cancel != nil {
		s.cancel()
		<-s.ended
	}
}

// consume runs until the connection breaks or ctx ends.
func (s *Source) consume(ctx context.Context, sink cloudevents.Client) {
	conn, err := amqp.Dial(s.URL)
	if err != nil {
		return
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil || ch.Qos(prefetch, 0, false) != nil {
		return
	}
	deliveries, err := ch.Consume(s.Queue, "", false, false, false, false, nil)
	if err != nil {
		return
	}
	work := make(chan amqp.Delivery)
	var workers sync.WaitGroup
	defer workers.Wait() // before the connection is closed
	defer close(work)
	for range max(1, s.Parallelism) {
		workers.Go(func() {
			for d := range work {
				s.deliver(ctx, sink, d)
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case d, ok := <-deliveries:
			if !ok {
				return
			}
			select {
			case work <- d:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (s *Source) deliver(ctx context.Context, sink cloudevents.Client, d amqp.Delivery) {
	var e cloudevents.Event
	if d.ContentType != cloudevents.ApplicationCloudEventsJSON || e.UnmarshalJSON(d.Body) != nil {
		d.Nack(false, false)
		return
	}
	ctx = cloudevents.ContextWithRetriesExponentialBackoff(ctx, s.Backoff, s.Retry)
	if cloudevents.IsACK(sink.Send(ctx, e)) {
		d.Ack(false)
	} else {
		d.Nack(false, false)
	}
}
