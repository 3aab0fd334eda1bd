package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// heartbeat is the interval of AMQP heartbeats. A dead connection is
	// detected after two.
	heartbeat = 10 * time.Second

	// After a failed attempt to connect, calls fail at once until a delay is
	// over, so that a broker that is starting is not flooded.
	minRetryDelay = 100 * time.Millisecond
	maxRetryDelay = 5 * time.Second
)

// connect returns the open session, or opens a new one.
func (p *Publisher) connect(ctx context.Context) (*session, error) {
	select {
	case p.lock <- struct{}{}:
		defer func() { <-p.lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	switch {
	case p.closed:
		return nil, ErrClosed
	case p.session != nil && p.session.usable():
		return p.session, nil
	case time.Now().Before(p.retryAt):
		return nil, fmt.Errorf("waiting to connect again: %w", p.connectErr)
	}
	if p.session != nil {
		p.session.close()
		p.session = nil
	}
	s, err := dial(ctx, p.cfg)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return nil, err // says nothing about the broker
	case err != nil:
		p.retryDelay = min(max(2*p.retryDelay, minRetryDelay), maxRetryDelay)
		p.retryAt = time.Now().Add(p.retryDelay)
		p.connectErr = err
		return nil, err
	}
	slog.Info("connected to rabbitmq", "address", s.conn.RemoteAddr().String())
	p.session, p.retryDelay, p.connectErr = s, 0, nil
	return s, nil
}

// dial opens a session. ctx bounds the handshake.
func dial(ctx context.Context, cfg Config) (*session, error) {
	stop := func() bool { return true }
	defer func() { stop() }()
	conn, err := amqp.DialConfig(cfg.URL, amqp.Config{
		Heartbeat:  heartbeat,
		Locale:     "en_US",
		Properties: amqp.Table{"connection_name": "mp3converter"},
		Dial: func(network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The library's handshake takes no context, so the end of
			// ctx closes the connection.
			stop = context.AfterFunc(ctx, func() { c.Close() })
			return c, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s, err := newSession(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if !stop() {
		s.close()
		return nil, ctx.Err()
	}
	return s, nil
}
