// Package backends opens what the functions of a cluster share: job records and
// media in MongoDB, webhook settings too, and the queues in RabbitMQ.
package backends

import (
	"context"
	"errors"

	jobsmongo "mp3converter/shared/jobs/mongodb"
	"mp3converter/shared/media/gridfs"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/queue/rabbitmq"
	webhooksmongo "mp3converter/shared/webhooks/mongodb"
)

// The database names. GridFS tools need them too: mongofiles --db=mp3.
const (
	jobsDatabase   = "mp3converter"
	videosDatabase = "videos"
	mp3Database    = "mp3"
)

// Config has the addresses of the backends.
type Config struct {
	MongoDB string `envconfig:"MONGODB_URI" required:"true"`
	Queue   rabbitmq.Config
}

// Backends holds what a function has opened. It is safe for concurrent use.
type Backends struct {
	Jobs          *jobsmongo.Store
	Videos, Audio *gridfs.Store
	Queue         *rabbitmq.Publisher
	Webhooks      *webhooksmongo.Store

	closeMongoDB func() error
}

// Open connects to MongoDB and returns an error if no server can be reached. The
// publisher connects to the broker at its first event. The CloudEvents source of its
// events is /mp3converter/function.
func Open(ctx context.Context, cfg Config, function string) (*Backends, error) {
	publisher, err := rabbitmq.New(cfg.Queue, function)
	if err != nil {
		return nil, err
	}
	client, err := mongodb.Connect(cfg.MongoDB)
	if err != nil {
		return nil, err
	}
	b := &Backends{Queue: publisher, closeMongoDB: func() error { return mongodb.Close(client) }}
	// One after the other, so that they share one connection: a request may be waiting for
	// this pod, and the handshake of a second connection takes longer than the queries.
	b.Webhooks = webhooksmongo.New(client.Database(jobsDatabase))
	b.Jobs, err = jobsmongo.Open(ctx, client.Database(jobsDatabase))
	if err == nil {
		b.Videos, err = gridfs.Open(ctx, client.Database(videosDatabase))
	}
	if err == nil {
		b.Audio, err = gridfs.Open(ctx, client.Database(mp3Database))
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close closes all connections.
func (b *Backends) Close() error {
	return errors.Join(b.Queue.Close(), b.closeMongoDB())
}

// OpenJobs connects to the job records and the webhook settings in the MongoDB at uri, for
// a function that needs nothing else. The caller must call closeJobs.
func OpenJobs(ctx context.Context, uri string) (_ *jobsmongo.Store, _ *webhooksmongo.Store, closeJobs func(), err error) {
	client, err := mongodb.Connect(uri)
	if err != nil {
		return nil, nil, nil, err
	}
	closeJobs = func() { mongodb.Close(client) }
	s, err := jobsmongo.Open(ctx, client.Database(jobsDatabase))
	if err != nil {
		closeJobs()
		return nil, nil, nil, err
	}
	return s, webhooksmongo.New(client.Database(jobsDatabase)), closeJobs, nil
}
