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

	"mp3converter/shared/queue/queuetest"
	"mp3converter/test/rabbitmqtest"
)

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

// One broker goes through all of it, because each start takes seconds.
func TestFaults(t *testing.T) {
	s := rabbitmqtest.Start(t)
	const queue = "faults"
	rabbitmqtest.Declare(t, s.URL, queue)
	p := newPublisher(t, s.URL)
	publish := func(e cloudevents.Event) error { return p.Publish(t.Context(), queue, e) }

	t.Run("no such queue", func(t *testing.T) {
		if err := p.Publish(t.Context(), "nowhere", queuetest.Event()); !errors.Is(err, ErrNoQueue) {
			t.Errorf("%v, want ErrNoQueue", err)
		}
		if err := publish(queuetest.Event()); err != nil {
			t.Errorf("the next event: %v", err)
		}
	})

	t.Run("returns find their own event among many", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if i%2 == 0 {
					if err := publish(queuetest.Event()); err != nil {
						t.Errorf("a good event: %v", err)
					}
				} else if err := p.Publish(t.Context(), "nowhere", queuetest.Event()); !errors.Is(err, ErrNoQueue) {
					t.Errorf("an event for nowhere: %v, want ErrNoQueue", err)
				}
			})
		}
		wg.Wait()
	})

	t.Run("callers who give up cut off nobody", func(t *testing.T) {
		if err := publish(queuetest.Event()); err != nil {
			t.Fatal(err)
		}
		before := p.session
		var wg sync.WaitGroup
		for i := range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			wg.Go(func() {
				err := p.Publish(ctx, queue, queuetest.Event())
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
		if !before.alive() || p.session != before {
			t.Error("the connection was given up")
		}
	})

	t.Run("the server closes the connection", func(t *testing.T) {
		s.Ctl(t, "close_all_connections", "test")
		eventually(t, "publish", func() error { return publish(queuetest.Event()) })
	})

	t.Run("a memory alarm", func(t *testing.T) {
		quick, err := New(Config{URL: s.URL, Timeout: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer quick.Close()
		eventually(t, "publish before the alarm", func() error { return quick.Publish(t.Context(), queue, queuetest.Event()) })
		s.Ctl(t, "set_vm_memory_high_watermark", "0.000001")
		eventually(t, "publishing goes on", func() error {
			start := time.Now()
			err := quick.Publish(t.Context(), queue, queuetest.Event())
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("Publish took %v, with a limit of 2s", took)
			}
			if err == nil {
				return errors.New("no error")
			}
			return nil
		})
		eventually(t, "ping", func() error {
			if quick.Ping(t.Context()) == nil {
				return errors.New("no error while blocked")
			}
			return nil
		})
		s.Ctl(t, "set_vm_memory_high_watermark", "0.4")
		eventually(t, "publish after the alarm", func() error { return quick.Publish(t.Context(), queue, queuetest.Event()) })
		eventually(t, "ping after the alarm", func() error { return quick.Ping(t.Context()) })
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
					e := queuetest.Event()
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
		if err := publish(queuetest.Event()); err == nil {
			t.Error("published without a broker")
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("without a broker, Publish took %v to fail", took)
		}
		if err := p.Ping(t.Context()); err == nil {
			t.Error("Ping without a broker")
		}
		s.Restart(t)
		eventually(t, "publish after the restart", func() error { return publish(queuetest.Event()) })

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

	t.Run("what is on the queue", func(t *testing.T) {
		ch := rabbitmqtest.Channel(t, s.URL)
		if _, err := ch.QueuePurge(queue, false); err != nil {
			t.Fatal(err)
		}
		e := queuetest.Event()
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

// A broker that takes the connection and then says nothing.
func TestSilentBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := New(Config{URL: "amqp://u:p@" + l.Addr().String() + "/", Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	start := time.Now()
	if err := p.Publish(t.Context(), "q", queuetest.Event()); err == nil {
		t.Error("published")
	}
	if err := p.Ping(context.Background()); err == nil {
		t.Error("Ping")
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v, with a limit of 300ms each", took)
	}
}

func TestClosed(t *testing.T) {
	p := newPublisher(t, "amqp://u:p@127.0.0.1:1/")
	p.Close()
	if err := p.Publish(t.Context(), "q", queuetest.Event()); !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func TestConfigErrorsShowNoPassword(t *testing.T) {
	for _, cfg := range []Config{
		{URL: "", Timeout: time.Second},
		{URL: "http://user:hunter2@host", Timeout: time.Second},
		{URL: "amqp://user:hun%ter2@host", Timeout: time.Second},
		{URL: "amqp://user:hunter2@host"},
	} {
		_, err := New(cfg)
		if err == nil {
			t.Errorf("%+v was taken", cfg)
		} else if got := err.Error(); got == "" || strings.Contains(got, "ter2") {
			t.Errorf("error %q", got)
		}
	}
}
