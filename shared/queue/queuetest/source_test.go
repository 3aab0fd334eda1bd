package queuetest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	amqp "github.com/rabbitmq/amqp091-go"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/shared/queue"
	"mp3converter/test/rabbitmqtest"
)

// On a queue as deployed: when the source stops, the POST in progress is cancelled and
// its message dead-lettered; the other message stays queued.
func TestRabbitmqSourceStop(t *testing.T) {
	url := rabbitmqtest.Start(t).URL
	ch := rabbitmqtest.Channel(t, url)
	newEvent := func() cloudevents.Event { return events.New(events.VideoUploaded, "queuetest", id.New()) }
	first, second := newEvent(), newEvent()
	for _, e := range []cloudevents.Event{first, second} {
		body, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		err = ch.PublishWithContext(t.Context(), "", queue.Video.Name, true, false, amqp.Publishing{
			ContentType: "application/cloudevents+json", MessageId: e.ID(), Body: body,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	entered, cancelled := make(chan struct{}), make(chan struct{})
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server notices the closed connection
		close(entered)
		<-r.Context().Done()
		close(cancelled)
	}))
	defer sink.Close()
	s := &RabbitmqSource{URL: url, Queue: queue.Video.Name, Sink: sink.URL}
	s.Start(t)
	next(t, "the POST", entered)
	s.Stop()
	next(t, "the cancellation", cancelled)
	if got := rabbitmqtest.Receive(t, ch, queue.Video.Name+".dead").MessageId; got != first.ID() {
		t.Errorf("dead letter %s, want %s", got, first.ID())
	}
	if got := rabbitmqtest.Receive(t, ch, queue.Video.Name).MessageId; got != second.ID() {
		t.Errorf("queued %s, want %s", got, second.ID())
	}
}
