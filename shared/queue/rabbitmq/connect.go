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
	// heartbeat is how often each side shows that it is there. A broker that
	// has vanished without a word is noticed after two.
	heartbeat = 10 * time.Second

	// After a failed attempt to connect, calls fail at once for a while that
	// grows between these: a broker that is coming up is not to be flooded.
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// connect returns a session that was alive a moment ago, a new one if need be.
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
	case p.session != nil && p.session.alive():
		return p.session, nil
	case time.Now().Before(p.retry):
		return nil, fmt.Errorf("waiting to connect again: %w", p.failed)
	}
	if p.session != nil {
		p.session.end()
		p.session = nil
	}
	s, err := dial(ctx, p.cfg)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return nil, err // the caller gave up: that says nothing of the broker
	case err != nil:
		p.pause = min(max(2*p.pause, firstPause), maxPause)
		p.retry = time.Now().Add(p.pause)
		p.failed = err
		return nil, err
	}
	slog.Info("connected to rabbitmq", "address", s.conn.RemoteAddr().String())
	p.session, p.pause, p.failed = s, 0, nil
	return s, nil
}

// dial opens a session before ctx ends.
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
			// The handshake reads and writes without a context, so the
			// end of ctx cuts what it reads and writes on.
			stop = context.AfterFunc(ctx, func() { c.Close() })
			return c, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s, err := open(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if !stop() {
		s.end()
		return nil, ctx.Err()
	}
	return s, nil
}
