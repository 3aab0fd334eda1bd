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

// session is one connection with one channel. When either fails, both are replaced.
// The library serialises writes to a channel; any number of messages wait for their
// confirmations concurrently.
type session struct {
	conn *amqp.Connection
	ch   *amqp.Channel

	failed  atomic.Bool
	returns *returns

	mu      sync.Mutex
	blocked string // why the broker blocks the connection, or ""
}

func newSession(conn *amqp.Connection) (*session, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	s := &session{conn: conn, ch: ch, returns: newReturns(ch)}
	// Drained until the library closes it: a full channel would stall the
	// connection.
	blockings := conn.NotifyBlocked(make(chan amqp.Blocking, 4))
	go func() {
		for b := range blockings {
			s.mu.Lock()
			s.blocked = ""
			if b.Active {
				s.blocked = "alarm: " + b.Reason
			}
			s.mu.Unlock()
		}
	}()
	return s, nil
}

// publish sends a message and waits for its confirmation.
func (s *session) publish(ctx context.Context, queue string, m amqp.Publishing) error {
	if reason := s.blockedReason(); reason != "" {
		return fmt.Errorf("%w: %s", ErrRefused, reason)
	}
	if err := s.returns.expect(m.MessageId); err != nil {
		return err
	}
	defer s.returns.forget(m.MessageId)

	sent := make(chan sendResult, 1)
	go func() {
		// The default exchange routes by the name of the queue. The write
		// takes no context and blocks while the broker does not read.
		confirm, err := s.ch.PublishWithDeferredConfirm("", queue, true, false, m)
		sent <- sendResult{confirm, err}
	}()
	var confirm *amqp.DeferredConfirmation
	select {
	case out := <-sent:
		if out.err != nil {
			s.fail()
			return fmt.Errorf("send: %w", out.err)
		}
		confirm = out.confirm
	case <-ctx.Done():
		go s.awaitSend(sent, ctx.Err())
		return fmt.Errorf("send: %w", ctx.Err())
	}

	acked, err := confirm.WaitContext(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("wait for confirmation: %w", err)
	case !acked && !s.usable():
		return fmt.Errorf("wait for confirmation: %w", amqp.ErrClosed)
	case !acked:
		return ErrRefused
	}
	return s.returns.check(m.MessageId)
}

// awaitSend handles a message whose caller has stopped waiting. If the caller was
// cancelled, the connection stays open for the others. If the write did not finish in
// time, the session fails, which also ends the blocked write.
func (s *session) awaitSend(sent <-chan sendResult, ctxErr error) {
	if errors.Is(ctxErr, context.Canceled) {
		select {
		case out := <-sent:
			if out.err == nil {
				return
			}
		case <-time.After(2 * heartbeat):
		}
	}
	s.fail()
}

type sendResult struct {
	confirm *amqp.DeferredConfirmation
	err     error
}

// usable reports whether the session is open, as far as is known.
func (s *session) usable() bool {
	return !s.failed.Load() && !s.conn.IsClosed() && !s.ch.IsClosed()
}

// fail closes the session in the background; the next call opens another one.
func (s *session) fail() {
	if s.failed.CompareAndSwap(false, true) {
		go s.close()
	}
}

// close closes the connection. Calls waiting for a confirmation fail.
func (s *session) close() {
	// Close would wait for an unreachable broker.
	_ = s.conn.CloseDeadline(time.Now().Add(time.Second))
}

func (s *session) blockedReason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked
}
