package backends_test

import (
	"testing"
	"time"

	"mp3converter/shared/backends"
	"mp3converter/shared/queue/rabbitmq"
	"mp3converter/test/mongotest"
)

// A request may be waiting for the stores to be open.
func TestOpenUsesOneConnection(t *testing.T) {
	server := mongotest.Record(t, mongotest.URI(t))
	b, err := backends.Open(t.Context(), backends.Config{
		MongoDB: server.URI,
		Queue:   rabbitmq.Config{URL: "amqp://127.0.0.1:1/", Timeout: time.Second}, // not used
	}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if n := server.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
