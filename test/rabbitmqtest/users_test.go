package rabbitmqtest

import (
	"context"
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// operation is something that a user tries on a channel of its own. RabbitMQ closes
// the channel when it refuses.
type operation struct {
	name string
	try  func(ctx context.Context, ch *amqp.Channel) error
}

func operations() []operation {
	list := []operation{
		{"declare a queue", func(_ context.Context, ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("intruder", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
			return err
		}},
		{"declare an exchange", func(_ context.Context, ch *amqp.Channel) error {
			return ch.ExchangeDeclare("intruder", "fanout", false, true, false, false, nil)
		}},
	}
	for _, queue := range []string{"video", "mp3", "video.dead", "mp3.dead"} {
		list = append(list,
			operation{"publish to " + queue, func(ctx context.Context, ch *amqp.Channel) error { return publish(ctx, ch, "", queue) }},
			operation{"publish to amq.direct for " + queue, func(ctx context.Context, ch *amqp.Channel) error { return publish(ctx, ch, "amq.direct", queue) }},
			operation{"consume " + queue, func(_ context.Context, ch *amqp.Channel) error {
				_, err := ch.Consume(queue, "", false, false, false, false, nil)
				return err
			}},
			operation{"purge " + queue, func(_ context.Context, ch *amqp.Channel) error {
				_, err := ch.QueuePurge(queue, false)
				return err
			}},
			operation{"bind " + queue, func(_ context.Context, ch *amqp.Channel) error {
				return ch.QueueBind(queue, queue, "amq.direct", false, nil)
			}},
			operation{"delete " + queue, func(_ context.Context, ch *amqp.Channel) error {
				_, err := ch.QueueDelete(queue, false, false, false)
				return err
			}},
		)
	}
	return list
}

// publish publishes a message and waits for its confirmation, because a refusal
// arrives later than the message is sent.
func publish(ctx context.Context, ch *amqp.Channel, exchange, queue string) error {
	if err := ch.Confirm(false); err != nil {
		return err
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	confirm, err := ch.PublishWithDeferredConfirm(exchange, queue, false, false, amqp.Publishing{})
	if err != nil {
		return err
	}
	select {
	case <-confirm.Done():
		if !confirm.Acked() {
			if err := <-closed; err != nil {
				return err
			}
			return errors.New("not confirmed")
		}
		return nil
	case err := <-closed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestRights checks that each user can do what its function does, and nothing else.
// A user who may read a queue may also purge it, and one who may publish to the
// default exchange may publish to every queue: RabbitMQ does not separate these.
func TestRights(t *testing.T) {
	s := Start(t)
	publishes := []string{"publish to video", "publish to mp3", "publish to video.dead", "publish to mp3.dead"}
	for user, allowed := range map[string][]string{
		"gateway":      publishes,
		"converter":    publishes,
		"janitor":      publishes,
		"source-video": {"consume video", "purge video"},
		"source-mp3":   {"consume mp3", "purge mp3"},
	} {
		t.Run(user, func(t *testing.T) {
			conn, err := amqp.Dial(s.UserURL(user))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			want := map[string]bool{}
			for _, name := range allowed {
				want[name] = true
			}
			for _, o := range operations() {
				checkRight(t, conn, o, want[o.name])
			}
		})
	}
}

func checkRight(t *testing.T, conn *amqp.Connection, o operation, allowed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	err = o.try(ctx, ch)
	var refusal *amqp.Error
	switch {
	case allowed && err != nil:
		t.Errorf("cannot %s: %v", o.name, err)
	case !allowed && err == nil:
		t.Errorf("can %s", o.name)
	case !allowed && (!errors.As(err, &refusal) || refusal.Code != amqp.AccessRefused):
		t.Errorf("%s: %v, want ACCESS_REFUSED", o.name, err)
	}
}
