// Package rabbitmq puts events on the queues of a RabbitMQ broker. It only
// publishes: in a cluster Knative's RabbitmqSource consumes, and the queues are
// declared by the broker's own definitions.
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
	// ErrNoQueue says that the broker has no such queue.
	ErrNoQueue = errors.New("rabbitmq: no such queue")
	// ErrRefused says that the broker would not take the event, for example
	// because the queue is full.
	ErrRefused = errors.New("rabbitmq: event refused")
	// ErrClosed says that Close has been called.
	ErrClosed = errors.New("rabbitmq: closed")
)

// Publisher publishes over one connection, which it opens when it is first
// needed, and again when it is found broken. It is safe for concurrent use:
// any number of calls wait for their confirmations at the same time.
type Publisher struct {
	cfg    Config
	source string // of the events

	// lock guards what follows while a session is opened or replaced. It is
	// a channel so that waiting for it ends with a context.
	lock    chan struct{}
	session *session
	closed  bool
	failed  error     // of the last attempt to connect
	retry   time.Time // no attempt before
	pause   time.Duration
}

var _ queue.Publisher = (*Publisher)(nil)

// New returns a publisher whose events name source as their origin. It does not connect yet, so that a function starts
// while the broker is away.
func New(cfg Config, source string) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Publisher{cfg: cfg, source: source, lock: make(chan struct{}, 1)}, nil
}

// Wake puts an event about the job on a queue; see Publish.
func (p *Publisher) Wake(ctx context.Context, q queue.Queue, jobID string) error {
	return p.Publish(ctx, q.Name, events.New(q.EventType, p.source, jobID))
}

// Publish puts e on a queue and returns once the broker has it on disk. After
// an error other than ErrNoQueue the event may be queued or not. An event that
// was on its way when the connection broke is not sent again: whoever called
// may not want two.
func (p *Publisher) Publish(ctx context.Context, name string, e cloudevents.Event) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("publish to %s: invalid event: %w", name, err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish to %s: %w", name, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish to %s: %w", name, err) // before it costs anybody anything
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	s, err := p.connect(ctx)
	if err != nil {
		return fmt.Errorf("publish to %s: %w", name, err)
	}
	err = s.publish(ctx, name, amqp.Publishing{
		ContentType:  cloudevents.ApplicationCloudEventsJSON, // structured: passes through the source unchanged
		DeliveryMode: amqp.Persistent,
		MessageId:    e.ID(),
		Type:         e.Type(),
		Timestamp:    time.Now(),
		Body:         body,
	})
	if err != nil {
		return fmt.Errorf("publish to %s: %w", name, err)
	}
	return nil
}

// Ping reports whether the broker can be reached and takes events.
func (p *Publisher) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	s, err := p.connect(ctx)
	if err != nil {
		return fmt.Errorf("ping rabbitmq: %w", err)
	}
	if why := s.blocked(); why != "" {
		return fmt.Errorf("ping rabbitmq: the broker takes no events: %s", why)
	}
	return nil
}

// Close ends the connection. Calls in flight fail.
func (p *Publisher) Close() error {
	p.lock <- struct{}{}
	defer func() { <-p.lock }()
	p.closed = true
	if p.session != nil {
		p.session.end()
		p.session = nil
	}
	return nil
}
