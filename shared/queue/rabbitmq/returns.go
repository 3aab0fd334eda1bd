package rabbitmq

import (
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// returns tracks the messages that the broker returns as unroutable. The broker
// confirms them as well, so a confirmation alone does not mean success.
type returns struct {
	flush chan chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	received map[string]*amqp.Return // by message identifier; nil until one is received
}

func newReturns(ch *amqp.Channel) *returns {
	r := &returns{
		flush:    make(chan chan struct{}),
		done:     make(chan struct{}),
		received: make(map[string]*amqp.Return),
	}
	go r.run(ch.NotifyReturn(make(chan amqp.Return, 64)))
	return r
}

func (r *returns) run(from <-chan amqp.Return) {
	defer close(r.done)
	for {
		select {
		case m, ok := <-from:
			if !ok {
				return
			}
			r.record(m)
		case flushed := <-r.flush:
			for range len(from) {
				r.record(<-from)
			}
			close(flushed)
		}
	}
}

func (r *returns) record(m amqp.Return) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, expected := r.received[m.MessageId]; expected {
		r.received[m.MessageId] = &m
	}
}

// expect registers a message before it is sent.
func (r *returns) expect(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, exists := r.received[id]; exists {
		return errors.New("rabbitmq: an event with this identifier is already being published")
	}
	r.received[id] = nil
	return nil
}

func (r *returns) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.received, id)
}

// check returns ErrNoQueue if a confirmed message was returned. The broker sends the
// return before the confirmation and the library forwards them in that order, so the
// return is at least in the channel; flush waits until run has received it.
func (r *returns) check(id string) error {
	flushed := make(chan struct{})
	select {
	case r.flush <- flushed:
		<-flushed
	case <-r.done:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.received[id]; m != nil {
		return fmt.Errorf("%w: %s", ErrNoQueue, m.ReplyText)
	}
	return nil
}
