package rabbitmqtest

import (
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Channel opens a channel on a connection of its own, both until the test ends.
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

// Declare makes a queue as the product's are, with its dead-letter queue, and
// removes both when the test ends.
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
	// RabbitMQ 3.10 writes the name of a new quorum queue to the disk late: at
	// the next declaration, or seconds after. One that is declared last before
	// kill -9 never elects a leader again. So another one comes last.
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
			return // the broker is gone, and the queues with it
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

// Receive takes the next message from a queue, or fails the test when none
// comes within a minute.
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
	t.Fatalf("no message came on %s", queue)
	return amqp.Delivery{}
}
