// Package queue is how one function wakes another: it puts an event on a named
// queue, and a source (Knative's RabbitmqSource in a cluster) POSTs it to the
// function that serves the queue.
//
// The status of the response decides what happens to the event:
//
//	2xx                                      acknowledged
//	404, 413, 425, 429, 502, 503, 504        delivered again after a growing delay
//	no response                              delivered again after a growing delay
//	anything else, or too many deliveries    moved to the dead-letter queue
package queue

import (
	"context"

	"mp3converter/shared/events"
)

// A Queue is the name of a queue and the type of event that it carries. Its
// dead-letter queue has the same name with the suffix ".dead".
type Queue struct {
	Name      string
	EventType string
}

var (
	// Video wakes the converter.
	Video = Queue{"video", events.VideoUploaded}
	// MP3 wakes the notification function.
	MP3 = Queue{"mp3", events.JobFinished}
)

// A Publisher sends wake-ups. It is safe for concurrent use.
type Publisher interface {
	// Wake puts an event about the job on the queue. It returns nil only
	// once the queue has accepted the event. It fails, in bounded time, when
	// the broker is unreachable, when the queue does not exist, and when ctx
	// ends; the event may or may not have been queued then.
	Wake(ctx context.Context, q Queue, jobID string) error
}
