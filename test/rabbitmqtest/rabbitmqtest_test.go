package rabbitmqtest

import (
	"context"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestBroker checks what the tests of the publisher rely on: a confirmed message
// survives SIGKILL, and a rejected one is moved to the dead-letter queue.
func TestBroker(t *testing.T) {
	s := Start(t)
	const queue = "rabbitmqtest"
	Declare(t, s.URL, queue)

	ch := Channel(t, s.URL)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	confirm, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{
		DeliveryMode: amqp.Persistent, MessageId: "one", Body: []byte("hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if acked, err := confirm.WaitContext(ctx); err != nil || !acked {
		t.Fatalf("confirmed: %v, %v", acked, err)
	}

	s.Kill(t)
	if conn, err := amqp.Dial(s.URL); err == nil {
		conn.Close()
		t.Fatal("the broker accepts a connection after Kill")
	}
	s.Restart(t)

	ch = Channel(t, s.URL)
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-deliveries:
		if d.MessageId != "one" || string(d.Body) != "hello" {
			t.Errorf("after the restart: %q %q", d.MessageId, d.Body)
		}
		if err := d.Nack(false, false); err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal("the confirmed message was lost")
	}
	if d := Receive(t, ch, queue+".dead"); d.MessageId != "one" {
		t.Errorf("dead letter %q", d.MessageId)
	}

	if out := s.Ctl(t, "list_queues", "name"); !strings.Contains(out, queue+".dead") {
		t.Errorf("rabbitmqctl list_queues: %s", out)
	}
	s.Ctl(t, "delete_queue", "video")
	s.Redefine(t)
	if out := s.Ctl(t, "list_queues", "name"); !strings.Contains(out, "video\n") {
		t.Errorf("rabbitmqctl list_queues after Redefine: %s", out)
	}
	s.Stop(t)
	s.Restart(t)
}
