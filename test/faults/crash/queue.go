package crash

import (
	"context"
	"net/http"

	"mp3converter/shared/queue"
)

type publisher struct {
	queue   queue.Publisher
	control Control
}

var _ queue.Publisher = publisher{}

// Queue wraps a publisher.
func Queue(q queue.Publisher, c Control) queue.Publisher { return publisher{q, c} }

// Wake loses the wake-up if queue.Wake is to fail.
func (p publisher) Wake(ctx context.Context, q queue.Queue, jobID string) error {
	var err error
	if p.control.failed("queue.Wake") == nil {
		err = p.queue.Wake(ctx, q, jobID)
	}
	if err == nil {
		p.control.pass("queue.Wake " + q.Name)
	}
	return err
}

// Auth wraps the handler of the auth function. Its store is not an interface, so the
// point after the new user is stored is that before the response.
func Auth(h http.Handler, c Control) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(createdWriter{w, c}, r)
	})
}

type createdWriter struct {
	http.ResponseWriter
	control Control
}

func (w createdWriter) WriteHeader(status int) {
	if status == http.StatusCreated {
		w.control.pass("users.Create")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w createdWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
