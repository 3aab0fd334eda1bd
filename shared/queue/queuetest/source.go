// Package queuetest is the contract suite of queue.Publisher and a stand-in for
// Knative's RabbitmqSource. It is for tests only.
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

// prefetch is RabbitmqSource's own value, whatever its parallelism.
const prefetch = 100

// RabbitmqSource consumes a queue and POSTs its events to a sink like the receive
// adapter of Knative's RabbitmqSource. It uses the same client library, so it retries
// on the same conditions (404, 413, 425, 429, 502, 503, 504 and no response) and
// sends events in binary mode although they are in structured mode on the queue.
type RabbitmqSource struct {
	URL         string // of the broker
	Queue       string
	Sink        string        // URL for the POSTs
	Parallelism int           // workers; 1 if zero
	Retry       int           // deliveries after the first one
	Backoff     time.Duration // half of the first delay; the delay doubles each time

	cancel context.CancelFunc
	done   chan struct{}
}

// Start consumes until Stop or the end of the test. It reconnects when the connection
// breaks.
func (s *RabbitmqSource) Start(t testing.TB) {
	t.Helper()
	// The adapter's client has no timeout.
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
	s.cancel, s.done = cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		defer transport.CloseIdleConnections()
		for ctx.Err() == nil {
			s.consume(ctx, sink)
			select { // before the next connection
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(s.Stop)
}

// Stop does what the adapter does on SIGTERM: it cancels the POSTs in progress and
// rejects their messages without requeue. Prefetched messages return to the queue.
// Stop may be called twice.
func (s *RabbitmqSource) Stop() {
	if s.cancel != nil {
		s.cancel()
		<-s.done
	}
}

// consume runs until the connection breaks or ctx ends.
func (s *RabbitmqSource) consume(ctx context.Context, sink cloudevents.Client) {
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

func (s *RabbitmqSource) deliver(ctx context.Context, sink cloudevents.Client, d amqp.Delivery) {
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
