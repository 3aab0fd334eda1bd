package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	amqp "github.com/rabbitmq/amqp091-go"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/test/rabbitmqtest"
)

// newEvent returns an event like those of Wake.
func newEvent() cloudevents.Event { return events.New(events.VideoUploaded, "test", id.New()) }

// eventually calls try until it returns nil.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// One broker for all faults, because each start takes seconds.
func TestFaults(t *testing.T) {
	s := rabbitmqtest.Start(t)
	const queue = "faults"
	rabbitmqtest.Declare(t, s.URL, queue)
	p := newPublisher(t, s.URL)
	publish := func(e cloudevents.Event) error { return p.publish(t.Context(), queue, e) }

	t.Run("no such queue", func(t *testing.T) {
		if err := p.publish(t.Context(), "nowhere", newEvent()); !errors.Is(err, ErrNoQueue) {
			t.Errorf("%v, want ErrNoQueue", err)
		}
		if err := publish(newEvent()); err != nil {
			t.Errorf("the next event: %v", err)
		}
	})

	t.Run("returns are matched to their events", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if i%2 == 0 {
					if err := publish(newEvent()); err != nil {
						t.Errorf("event for an existing queue: %v", err)
					}
				} else if err := p.publish(t.Context(), "nowhere", newEvent()); !errors.Is(err, ErrNoQueue) {
					t.Errorf("event for a missing queue: %v, want ErrNoQueue", err)
				}
			})
		}
		wg.Wait()
	})

	t.Run("cancelled callers do not affect others", func(t *testing.T) {
		if err := publish(newEvent()); err != nil {
			t.Fatal(err)
		}
		before := p.session
		var wg sync.WaitGroup
		for i := range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			wg.Go(func() {
				err := p.publish(ctx, queue, newEvent())
				if err != nil && (i%2 != 0 || !errors.Is(err, context.Canceled)) {
					t.Errorf("event %d: %v", i, err)
				}
			})
			if i%2 == 0 {
				cancel()
			}
			t.Cleanup(cancel)
		}
		wg.Wait()
		if !before.usable() || p.session != before {
			t.Error("the connection was replaced")
		}
	})

	t.Run("the server closes the connection", func(t *testing.T) {
		s.Ctl(t, "close_all_connections", "test")
		eventually(t, "publish", func() error { return publish(newEvent()) })
	})

	t.Run("a memory alarm", func(t *testing.T) {
		quick, err := New(Config{URL: s.URL, Timeout: 2 * time.Second}, "test")
		if err != nil {
			t.Fatal(err)
		}
		defer quick.Close()
		eventually(t, "publish before the alarm", func() error { return quick.publish(t.Context(), queue, newEvent()) })
		s.Ctl(t, "set_vm_memory_high_watermark", "0.000001")
		eventually(t, "publish during the alarm", func() error {
			start := time.Now()
			err := quick.publish(t.Context(), queue, newEvent())
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("Wake took %v, with a limit of 2s", took)
			}
			if err == nil {
				return errors.New("no error")
			}
			return nil
		})
		s.Ctl(t, "set_vm_memory_high_watermark", "0.4")
		eventually(t, "publish after the alarm", func() error { return quick.publish(t.Context(), queue, newEvent()) })
	})

	t.Run("kill -9 while publishing", func(t *testing.T) {
		ch := rabbitmqtest.Channel(t, s.URL)
		if _, err := ch.QueuePurge(queue, false); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		confirmed := map[string]bool{}
		enough := make(chan struct{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					e := newEvent()
					if err := publish(e); err != nil {
						return // the broker is dead
					}
					mu.Lock()
					confirmed[e.ID()] = true
					if len(confirmed) == 100 {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Error("a hundred events took more than a minute")
		}
		s.Kill(t)
		wg.Wait()
		start := time.Now()
		if err := publish(newEvent()); err == nil {
			t.Error("published without a broker")
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("without a broker, Wake took %v to fail", took)
		}
		s.Restart(t)
		eventually(t, "publish after the restart", func() error { return publish(newEvent()) })

		ch = rabbitmqtest.Channel(t, s.URL)
		eventually(t, "every confirmed event survives", func() error {
			d, ok, err := ch.Get(queue, true)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				delete(confirmed, d.MessageId)
			}
			if len(confirmed) > 0 {
				return fmt.Errorf("%d are missing", len(confirmed))
			}
			return nil
		})
	})

	t.Run("properties of the message", func(t *testing.T) {
		ch := rabbitmqtest.Channel(t, s.URL)
		if _, err := ch.QueuePurge(queue, false); err != nil {
			t.Fatal(err)
		}
		e := newEvent()
		if err := publish(e); err != nil {
			t.Fatal(err)
		}
		d := rabbitmqtest.Receive(t, ch, queue)
		if d.MessageId != e.ID() || d.ContentType != "application/cloudevents+json" || d.DeliveryMode != amqp.Persistent {
			t.Errorf("message %q, %s, mode %d", d.MessageId, d.ContentType, d.DeliveryMode)
		}
		var back cloudevents.Event
		if err := back.UnmarshalJSON(d.Body); err != nil || back.ID() != e.ID() {
			t.Errorf("body %s: %v", d.Body, err)
		}
	})
}

// A broker that accepts the connection and sends nothing.
func TestUnresponsiveBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := New(Config{URL: "amqp://u:p@" + l.Addr().String() + "/", Timeout: 300 * time.Millisecond}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	start := time.Now()
	if err := p.publish(t.Context(), "q", newEvent()); err == nil {
		t.Error("published")
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v, with a limit of 300ms", took)
	}
}

func TestClosed(t *testing.T) {
	p := newPublisher(t, "amqp://u:p@127.0.0.1:1/")
	p.Close()
	if err := p.publish(t.Context(), "q", newEvent()); !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestConfigErrorsShowNoPassword(t *testing.T) {
	for _, cfg := range []Config{
		{URL: "", Timeout: time.Second},
		{URL: "http://user:hunter2@host", Timeout: time.Second},
		{URL: "amqp://user:hun%ter2@host", Timeout: time.Second},
		{URL: "amqp://user:hunter2@host"},
	} {
		_, err := New(cfg, "test")
		if err == nil {
			t.Errorf("%+v is accepted", cfg)
		} else if got := err.Error(); got == "" || strings.Contains(got, "ter2") {
			t.Errorf("error %q", got)
		}
	}
}
