// Package backends opens what the functions of a cluster share: the job
// records and media in MongoDB and the queues in RabbitMQ.
package backends

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"mp3converter/shared/jobs/mongodb"
	"mp3converter/shared/media/gridfs"
	"mp3converter/shared/queue/rabbitmq"
)

// The databases. Those of the files are named as the tools for GridFS expect to
// be told: mongofiles --db=mp3.
const (
	Records = "mp3converter"
	videos  = "videos"
	audio   = "mp3"
)

// Config is where they are.
type Config struct {
	MongoDB string `envconfig:"MONGODB_URI" required:"true"`
	Queue   rabbitmq.Config
}

// Backends is safe for concurrent use.
type Backends struct {
	Jobs          *mongodb.Store
	Videos, Audio *gridfs.Store
	Queue         *rabbitmq.Publisher
}

// Open connects one function to MongoDB, and fails if it cannot. The broker may be away.
func Open(ctx context.Context, cfg Config, function string) (_ *Backends, err error) {
	var b Backends
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	// All at once: somebody waits for this pod to start.
	var opening errgroup.Group
	opening.Go(func() (err error) { b.Jobs, err = mongodb.Open(ctx, cfg.MongoDB, Records); return err })
	opening.Go(func() (err error) { b.Videos, err = gridfs.Open(ctx, cfg.MongoDB, videos); return err })
	opening.Go(func() (err error) { b.Audio, err = gridfs.Open(ctx, cfg.MongoDB, audio); return err })
	if err := opening.Wait(); err != nil {
		return nil, err
	}
	if b.Queue, err = rabbitmq.New(cfg.Queue, function); err != nil {
		return nil, err
	}
	return &b, nil
}

// Close ends the connections of what was opened.
func (b *Backends) Close() error {
	var errs []error
	if b.Jobs != nil {
		errs = append(errs, b.Jobs.Close())
	}
	if b.Videos != nil {
		errs = append(errs, b.Videos.Close())
	}
	if b.Audio != nil {
		errs = append(errs, b.Audio.Close())
	}
	if b.Queue != nil {
		errs = append(errs, b.Queue.Close())
	}
	return errors.Join(errs...)
}
