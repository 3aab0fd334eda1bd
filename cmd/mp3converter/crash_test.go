package main

import (
	"context"

	"mp3converter/shared/serve"
	"mp3converter/test/faults/crash"
)

// crashing is main with stores that crash the process where a test wants it. The tests
// in test/faults run it: the binary of this package's tests executes it if its name is
// mp3converter-crashing.
func crashing() {
	serve.Main("local", func(ctx context.Context) error {
		control, err := crash.FromEnvironment()
		if err != nil {
			return err
		}
		return runOn(ctx, func(ctx context.Context, cfg config) (*stores, error) {
			s, err := openStores(ctx, cfg)
			if err != nil {
				return nil, err
			}
			s.jobs = crash.Jobs(s.jobs, control)
			s.videos, s.audio = crash.Media("videos", s.videos, control), crash.Media("audio", s.audio, control)
			s.publisher = crash.Queue(s.publisher, control)
			return s, nil
		})
	})
}
