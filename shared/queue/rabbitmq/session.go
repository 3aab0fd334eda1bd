package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// session is one connection with its one channel. When either breaks, both are
// given up. The library lets only one message at a time onto a channel, and any
// number of them wait for their confirmation together.
type session struct {
	conn *amqp.Connection
	ch   *amqp.Channel

	dead    atomic.Bool
	returns *returns

	mu    sync.Mutex
	block string // why the broker takes no events, or ""
}

func open(conn *amqp.Connection) (*session, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	s := &session{conn: conn, ch: ch, returns: watchReturns(ch)}
	// Drained until the library closes it, so that it never has to wait: a
	// full buffer holds back the whole connection.
	blockings := conn.NotifyBlocked(make(chan amqp.Blocking, 4))
	go func() {
		for b := range blockings {
			s.mu.Lock()
			s.block = ""
			if b.Active {
				s.block = "alarm: " + b.Reason
			}
			s.mu.Unlock()
		}
	}()
	return s, nil
}

// publish sends a message and waits for the broker's word on it.
func (s *session) publish(ctx context.Context, queue string, m amqp.Publishing) error {
	if why := s.blocked(); why != "" {
		return fmt.Errorf("%w: %s", ErrRefused, why)
	}
	if err := s.returns.expect(m.MessageId); err != nil {
		return err
	}
	defer s.returns.forget(m.MessageId)

	sent := make(chan sending, 1)
	go func() {
		// The default exchange routes by the queue's name. Writing takes no
		// context and blocks when the broker stops reading.
		confirm, err := s.ch.PublishWithDeferredConfirm("", queue, true, false, m)
		sent <- sending{confirm, err}
	}()
	var confirm *amqp.DeferredConfirmation
	select {
	case out := <-sent:
		if out.err != nil {
			s.abandon()
			return fmt.Errorf("send: %w", out.err)
		}
		confirm = out.confirm
	case <-ctx.Done():
		go s.watch(sent, ctx.Err())
		return fmt.Errorf("send: %w", ctx.Err())
	}

	acked, err := confirm.WaitContext(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("wait for confirmation: %w", err)
	case !acked && !s.alive():
		return fmt.Errorf("wait for confirmation: %w", amqp.ErrClosed)
	case !acked:
		return ErrRefused
	}
	return s.returns.check(m.MessageId)
}

// watch looks after a message that nobody waits for any more. A caller who gave
// up is no reason to cut off the others on the connection; one whose time ran
// out while the broker did not read is, and it frees the one who sends.
func (s *session) watch(sent <-chan sending, why error) {
	if errors.Is(why, context.Canceled) {
		select {
		case out := <-sent:
			if out.err == nil {
				return
			}
		case <-time.After(2 * heartbeat):
		}
	}
	s.abandon()
}

type sending struct {
	confirm *amqp.DeferredConfirmation
	err     error
}

// alive reports whether the session can be used, as far as is known.
func (s *session) alive() bool {
	return !s.dead.Load() && !s.conn.IsClosed() && !s.ch.IsClosed()
}

// abandon makes the next call open another session, and ends this one without
// waiting for it.
func (s *session) abandon() {
	if s.dead.CompareAndSwap(false, true) {
		go s.end()
	}
}

// end cuts the connection. What waits for a confirmation fails.
func (s *session) end() {
	// Not Close: that would wait for a broker that may be gone.
	_ = s.conn.CloseDeadline(time.Now().Add(time.Second))
}

func (s *session) blocked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.block
}
