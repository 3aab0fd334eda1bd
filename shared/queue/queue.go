// Package queue is how one function wakes another: it puts an event on a named
// queue, and something else (Knative's RabbitmqSource in a cluster) POSTs it to
// the function that serves the queue.
//
// What the serving function answers decides the event's fate:
//
//	2xx                                      done with it
//	404, 413, 425, 429, 502, 503, 504        try again, after a growing pause
//	no answer                                try again
//	anything else, or too many tries         dead-letter queue
package queue

import (
	"context"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

// The queues. Each has a dead-letter queue named after it: "video.dead".
const (
	// Video carries events.VideoUploaded to the converter.
	Video = "video"
	// MP3 carries events.JobFinished to the notification function.
	MP3 = "mp3"
)

// A Publisher puts events on queues. It is safe for concurrent use.
type Publisher interface {
	// Publish returns nil only when the queue has taken responsibility for
	// the event. It fails, in bounded time, when the broker is away, when
	// the queue does not exist, and when ctx ends; the event may then have
	// been queued or not.
	Publish(ctx context.Context, queue string, e cloudevents.Event) error
}
