package notify

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/events"
	"mp3converter/shared/id"
	"mp3converter/shared/queue"
	"mp3converter/shared/queue/queuetest"
	"mp3converter/shared/queue/rabbitmq"
	"mp3converter/test/rabbitmqtest"
	"mp3converter/test/toxic"
)

// Every message arrives twice, from a real broker and with as many concurrent
// deliveries as on a cluster. Each user gets one mail.
func TestDoubledMessages(t *testing.T) {
	url := rabbitmqtest.URL(t)
	q := queue.Queue{Name: "doubled-" + id.New(), EventType: events.JobFinished}
	rabbitmqtest.Declare(t, url, q.Name)
	publisher, err := rabbitmq.New(rabbitmq.Config{URL: url, Timeout: time.Minute}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { publisher.Close() })

	s, box := newStore(t), &mailServer{}
	handler := mailNotifier(t, s, box.start(t)).Handler()
	const jobCount = 20
	var handled sync.WaitGroup
	handled.Add(2 * jobCount)
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer handled.Done()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(sink.Close)
	(&queuetest.RabbitmqSource{URL: url, Queue: q.Name, Sink: sink.URL, Parallelism: 8}).Start(t)

	var finishedJobs []string
	for range jobCount {
		j := finished(t, s, nil)
		finishedJobs = append(finishedJobs, j.ID)
		for range 2 {
			if err := publisher.Wake(t.Context(), q, j.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	toxic.Within(t, "the delivery of all messages", func() error { handled.Wait(); return nil })
	all := strings.Join(box.all(), "\n")
	for _, j := range finishedJobs {
		if n := strings.Count(all, "Message-ID: <job-"+j); n != 1 {
			t.Errorf("%d mails about a job, want one", n)
		}
	}
}
