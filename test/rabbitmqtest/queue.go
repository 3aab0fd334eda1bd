package rabbitmqtest

import (
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Channel opens a channel on a new connection. Both are closed when the test ends.
func Channel(t testing.TB, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// Declare declares a queue with the arguments of the service's queues, and its
// dead-letter queue. Both are deleted when the test ends.
func Declare(t testing.TB, url, queue string) {
	t.Helper()
	ch := Channel(t, url)
	dead := queue + ".dead"
	for _, q := range []struct {
		name string
		args amqp.Table
	}{
		{dead, amqp.Table{"x-queue-type": "quorum"}},
		{queue, amqp.Table{
			"x-queue-type":              "quorum",
			"x-dead-letter-exchange":    "",
			"x-dead-letter-routing-key": dead,
			"x-dead-letter-strategy":    "at-least-once",
			"x-overflow":                "reject-publish",
		}},
	} {
		if _, err := ch.QueueDeclare(q.name, true, false, false, false, q.args); err != nil {
			t.Fatal(err)
		}
	}
	// RabbitMQ 3.10 writes the name of a new quorum queue to disk only at the next
	// declaration, or seconds later. If the broker is killed before, the queue never
	// elects a leader again. So another queue is declared last.
	last := queue + ".last"
	if _, err := ch.QueueDeclare(last, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDelete(last, false, false, false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn, err := amqp.Dial(url)
		if err != nil {
			return // the broker has stopped
		}
		defer conn.Close()
		ch, err := conn.Channel()
		if err != nil {
			t.Error(err)
			return
		}
		for _, name := range []string{queue, dead} {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Error(err)
			}
		}
	})
}

// Receive returns the next message of a queue, or fails the test after a minute.
func Receive(t testing.TB, ch *amqp.Channel, queue string) amqp.Delivery {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		d, ok, err := ch.Get(queue, true)
		if err != nil {
			t.Fatal(fmt.Errorf("get from %s: %w", queue, err))
		}
		if ok {
			return d
		}
	}
	t.Fatalf("no message arrived on %s", queue)
	return amqp.Delivery{}
}

// Count returns the number of messages that are ready in the queues.
func Count(url string, queues ...string) (n int, err error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return 0, err
	}
	for _, name := range queues {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		if err != nil {
			return 0, err
		}
		n += q.Messages
	}
	return n, nil
}
