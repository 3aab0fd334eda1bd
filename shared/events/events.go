// Package events defines the CloudEvents that travel between the functions.
//
// An event is only a wake-up call. It names a job and says nothing of its
// state: that is read from the job record, so an event may be lost, doubled or
// late without harm.
package events

import (
	"fmt"
	"net/http"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/id"
)

// The types of event, each with the queue that carries it.
const (
	// VideoUploaded asks the converter to look at a job.
	VideoUploaded = "com.mp3converter.video.uploaded"
	// JobFinished asks the notification function to look at a job.
	JobFinished = "com.mp3converter.job.finished"
)

// MaxBytes is the most that an event may take on the wire. Ours take 300.
const MaxBytes = 64 << 10

type data struct {
	Job string `json:"job"`
}

// New returns an event of the given type about one job.
func New(eventType, source, job string) cloudevents.Event {
	e := cloudevents.NewEvent()
	e.SetID(id.New())
	e.SetType(eventType)
	e.SetSource("/mp3converter/" + source)
	e.SetSubject(job)
	// Marshalling a struct of one string cannot fail.
	_ = e.SetData(cloudevents.ApplicationJSON, data{Job: job})
	return e
}

// Job returns the job that a request's event is about. The event may come in
// structured or binary mode; any other type than want is an error.
func Job(w http.ResponseWriter, r *http.Request, want string) (string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, MaxBytes)
	e, err := cloudevents.NewEventFromHTTPRequest(r)
	if err != nil {
		return "", fmt.Errorf("read event: %w", err)
	}
	if err := e.Validate(); err != nil {
		return "", fmt.Errorf("invalid event: %w", err)
	}
	if e.Type() != want {
		return "", fmt.Errorf("event type %q, want %q", e.Type(), want)
	}
	var d data
	if err := e.DataAs(&d); err != nil {
		return "", fmt.Errorf("event data: %w", err)
	}
	if !id.Valid(d.Job) {
		return "", fmt.Errorf("event names no job: %.40q", d.Job)
	}
	return d.Job, nil
}
