// Package events defines the CloudEvents between the functions.
//
// An event is a wake-up. It names a job but not its state, which is read from the job
// record, so events may be lost, duplicated or late.
package events

import (
	"fmt"
	"net/http"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/id"
)

// The event types.
const (
	// VideoUploaded wakes the converter.
	VideoUploaded = "com.mp3converter.video.uploaded"
	// JobFinished wakes the notification function.
	JobFinished = "com.mp3converter.job.finished"
)

// MaxBytes bounds the size of an event in an HTTP request. Typical is 300 bytes.
const MaxBytes = 64 << 10

type data struct {
	Job string `json:"job"`
}

// New returns an event of the given type about a job.
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

// JobID returns the ID of the job that the event in a request is about, in structured
// or binary mode. An event of another type than want is an error.
func JobID(w http.ResponseWriter, r *http.Request, want string) (string, error) {
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
