package queuetest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"mp3converter/shared/queue"
	"mp3converter/test/rabbitmqtest"
)

// The stand-in on a queue as it is deployed: when it stops, the POST in flight
// is cancelled and its message is dead; what no worker had is still queued.
func TestSourceStops(t *testing.T) {
	url := rabbitmqtest.Start(t).URL
	ch := rabbitmqtest.Channel(t, url)
	first, second := Event(), Event()
	for _, e := range []interface {
		MarshalJSON() ([]byte, error)
		ID() string
	}{first, second} {
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
		io.Copy(io.Discard, r.Body) // or the server would not look at the connection
		close(entered)
		<-r.Context().Done()
		close(cancelled)
	}))
	defer sink.Close()
	s := &Source{URL: url, Queue: queue.Video.Name, Sink: sink.URL}
	s.Start(t)
	next(t, "the POST", entered)
	s.Stop()
	next(t, "its end", cancelled)
	if got := rabbitmqtest.Receive(t, ch, queue.Video.Name+".dead").MessageId; got != first.ID() {
		t.Errorf("dead letter %s, want %s", got, first.ID())
	}
	if got := rabbitmqtest.Receive(t, ch, queue.Video.Name).MessageId; got != second.ID() {
		t.Errorf("queued %s, want %s", got, second.ID())
	}
}
