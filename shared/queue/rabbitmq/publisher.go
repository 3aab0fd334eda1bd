// Package rabbitmq publishes events to a RabbitMQ broker. It does not consume, which
// Knative's RabbitmqSource does, and declares no queues: the broker loads them from
// its definitions.
package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	amqp "github.com/rabbitmq/amqp091-go"

	"mp3converter/shared/events"
	"mp3converter/shared/queue"
)

var (
	// ErrNoQueue means that the queue does not exist.
	ErrNoQueue = errors.New("rabbitmq: no such queue")
	// ErrRefused means that the broker rejected the event, for example because
	// the queue is full.
	ErrRefused = errors.New("rabbitmq: event refused")
	// ErrClosed means that Close has been called.
	ErrClosed = errors.New("rabbitmq: closed")
)

// Publisher publishes over one connection, which it opens at the first event and
// again after a failure. It is safe for concurrent use: any number of calls wait for
// their confirmations at the same time.
type Publisher struct {
	cfg    Config
	source string // of the events

	// lock guards the fields below. It is a channel so that waiting for it
	// ends with a context.
	lock       chan struct{}
	session    *session
	closed     bool
	connectErr error     // of the last attempt to connect
	retryAt    time.Time // of the next attempt
	retryDelay time.Duration
}

var _ queue.Publisher = (*Publisher)(nil)

// New returns a publisher. Its events have the CloudEvents source
// /mp3converter/source. It does not connect, so that a function can start while the
// broker is unreachable.
func New(cfg Config, source string) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Publisher{cfg: cfg, source: source, lock: make(chan struct{}, 1)}, nil
}

// Wake puts an event about the job on a queue and returns once the broker has
// confirmed it. After an error other than ErrNoQueue the event may or may not have
// been queued. It is not sent again after a lost connection: the caller decides.
func (p *Publisher) Wake(ctx context.Context, q queue.Queue, jobID string) error {
	if err := p.publish(ctx, q.Name, events.New(q.EventType, p.source, jobID)); err != nil {
		return fmt.Errorf("publish to %s: %w", q.Name, err)
	}
	return nil
}

func (p *Publisher) publish(ctx context.Context, queue string, e cloudevents.Event) error {
	if err := e.Validate(); err != nil {
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // before a connection is opened
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	s, err := p.connect(ctx)
	if err != nil {
		return err
	}
	return s.publish(ctx, queue, amqp.Publishing{
		ContentType:  cloudevents.ApplicationCloudEventsJSON, // structured mode, as RabbitmqSource expects
		DeliveryMode: amqp.Persistent,
		MessageId:    e.ID(),
		Type:         e.Type(),
		Timestamp:    time.Now(),
		Body:         body,
	})
}

// Close closes the connection. Calls in progress fail.
func (p *Publisher) Close() error {
	p.lock <- struct{}{}
	defer func() { <-p.lock }()
	p.closed = true
	if p.session != nil {
		p.session.close()
		p.session = nil
	}
	return nil
}
