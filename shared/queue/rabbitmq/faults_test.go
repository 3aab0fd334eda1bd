package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	amqp "github.com/rabbitmq/amqp091-go"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/test/rabbitmqtest"
	"mp3converter/test/toxic"
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

// newQuickPublisher returns a publisher with a limit of a second.
func newQuickPublisher(t *testing.T, url string) *Publisher {
	t.Helper()
	p, err := New(Config{URL: url, Timeout: time.Second}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
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

	t.Run("the queue is deleted", func(t *testing.T) {
		const other = "deleted"
		rabbitmqtest.Declare(t, s.URL, other)
		if err := p.publish(t.Context(), other, newEvent()); err != nil {
			t.Fatal(err)
		}
		if _, err := rabbitmqtest.Channel(t, s.URL).QueueDelete(other, false, false, false); err != nil {
			t.Fatal(err)
		}
		err := toxic.Within(t, "publish", func() error { return p.publish(t.Context(), other, newEvent()) })
		if !errors.Is(err, ErrNoQueue) {
			t.Errorf("%v, want ErrNoQueue", err)
		}
		rabbitmqtest.Declare(t, s.URL, other)
		eventually(t, "publish to the new queue", func() error { return p.publish(t.Context(), other, newEvent()) })
	})

	for _, alarm := range []struct {
		name           string
		raise, recover []string
	}{
		{"memory", []string{"set_vm_memory_high_watermark", "0.000001"}, []string{"set_vm_memory_high_watermark", "0.4"}},
		{"disk", []string{"set_disk_free_limit", "1000000GB"}, []string{"set_disk_free_limit", "50MB"}},
	} {
		t.Run("out of "+alarm.name, func(t *testing.T) {
			quick := newQuickPublisher(t, s.URL)
			eventually(t, "publish before the alarm", func() error { return quick.publish(t.Context(), queue, newEvent()) })
			s.Ctl(t, alarm.raise...)
			// The first may be sent before the broker blocks the connection.
			eventually(t, "publish during the alarm", func() error {
				if err := toxic.Within(t, "publish", func() error { return quick.publish(t.Context(), queue, newEvent()) }); err == nil {
					return errors.New("no error")
				}
				return nil
			})
			s.Ctl(t, alarm.recover...)
			eventually(t, "publish after the alarm", func() error { return quick.publish(t.Context(), queue, newEvent()) })
		})
	}

	for _, fault := range toxic.Faults() {
		t.Run("network/"+fault.Name, func(t *testing.T) {
			broker, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			proxy := toxic.Start(t, broker.Host)
			broker.Host = proxy.Addr
			quick := newQuickPublisher(t, broker.String())
			eventually(t, "publish before the fault", func() error { return quick.publish(t.Context(), queue, newEvent()) })
			proxy.Apply(t, fault)
			for i := range 3 { // over the open connection, and then over others
				err := toxic.Within(t, "publish", func() error { return quick.publish(t.Context(), queue, newEvent()) })
				// Confirmations are short enough for the truncated connection.
				if err == nil && fault.Name != "truncate response" {
					t.Errorf("event %d was confirmed", i)
				}
			}
			proxy.Heal(t)
			eventually(t, "publish after the fault", func() error { return quick.publish(t.Context(), queue, newEvent()) })
		})
	}

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
	p := newQuickPublisher(t, "amqp://u:p@"+l.Addr().String()+"/")
	defer l.Close() // before p.Close, which waits for the handshake
	if err := toxic.Within(t, "publish", func() error { return p.publish(t.Context(), "q", newEvent()) }); err == nil {
		t.Error("published")
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
