package rabbitmq

import (
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// returns keeps what the broker sends back because no queue takes it. Such a
// message is confirmed all the same, so the confirmation alone says nothing.
type returns struct {
	flush chan chan struct{}
	ended chan struct{}

	mu   sync.Mutex
	came map[string]*amqp.Return // by message identifier; nil while none has come
}

func watchReturns(ch *amqp.Channel) *returns {
	r := &returns{
		flush: make(chan chan struct{}),
		ended: make(chan struct{}),
		came:  make(map[string]*amqp.Return),
	}
	go r.watch(ch.NotifyReturn(make(chan amqp.Return, 64)))
	return r
}

func (r *returns) watch(from <-chan amqp.Return) {
	defer close(r.ended)
	for {
		select {
		case m, ok := <-from:
			if !ok {
				return
			}
			r.keep(m)
		case flushed := <-r.flush:
			for range len(from) {
				r.keep(<-from)
			}
			close(flushed)
		}
	}
}

func (r *returns) keep(m amqp.Return) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, expected := r.came[m.MessageId]; expected {
		r.came[m.MessageId] = &m
	}
}

// expect begins to watch for the return of a message.
func (r *returns) expect(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.came[id]; taken {
		return errors.New("rabbitmq: this event is being published already")
	}
	r.came[id] = nil
	return nil
}

func (r *returns) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.came, id)
}

// check returns an error if a message that has been confirmed was returned. The
// broker returns before it confirms, and the library passes the return on
// before it reads the confirmation, so a return is at the latest on its way to
// watch; the flush makes sure that it has arrived.
func (r *returns) check(id string) error {
	flushed := make(chan struct{})
	select {
	case r.flush <- flushed:
		<-flushed
	case <-r.ended:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.came[id]; m != nil {
		return fmt.Errorf("%w: %s", ErrNoQueue, m.ReplyText)
	}
	return nil
}
