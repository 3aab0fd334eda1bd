// Package backends opens what the functions of a cluster share: job records and
// media in MongoDB, and the queues in RabbitMQ.
package backends

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	jobsmongo "mp3converter/shared/jobs/mongodb"
	"mp3converter/shared/media/gridfs"
	"mp3converter/shared/mongodb"
	"mp3converter/shared/queue/rabbitmq"
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
	// Side by side, because a request may be waiting for this pod to start.
	var g errgroup.Group
	g.Go(func() (err error) { b.Jobs, err = jobsmongo.Open(ctx, client.Database(jobsDatabase)); return err })
	g.Go(func() (err error) { b.Videos, err = gridfs.Open(ctx, client.Database(videosDatabase)); return err })
	g.Go(func() (err error) { b.Audio, err = gridfs.Open(ctx, client.Database(mp3Database)); return err })
	if err := g.Wait(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close closes all connections.
func (b *Backends) Close() error {
	return errors.Join(b.Queue.Close(), b.closeMongoDB())
}

// OpenJobs connects to the job records in the MongoDB at uri, for a function that needs
// nothing else. The caller must call closeJobs.
func OpenJobs(ctx context.Context, uri string) (_ *jobsmongo.Store, closeJobs func(), err error) {
	client, err := mongodb.Connect(uri)
	if err != nil {
		return nil, nil, err
	}
	closeJobs = func() { mongodb.Close(client) }
	s, err := jobsmongo.Open(ctx, client.Database(jobsDatabase))
	if err != nil {
		closeJobs()
		return nil, nil, err
	}
	return s, closeJobs, nil
}
