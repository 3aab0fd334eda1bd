package main

import (
	"bytes"
	"context"
	"time"

	"mp3converter/shared/client"
	"mp3converter/test/samples"
)

func (s *suite) shortVideo() ([]byte, error) {
	video, _, err := s.readSample(samples.Spec{Name: "short.mp4", Seconds: 5})
	return video, err
}

// uploadShort uploads a short video. An upload that fails is repeated.
func (s *suite) uploadShort(ctx context.Context) (j client.Job, err error) {
	if err := s.user.ensureLogin(ctx); err != nil {
		return j, err
	}
	video, err := s.shortVideo()
	if err != nil {
		return j, err
	}
	err = poll(ctx, time.Second, func() (bool, error) {
		j, err = s.user.Upload(ctx, "short.mp4", bytes.NewReader(video))
		return err == nil, err
	})
	return j, err
}

// convertShort uploads a short video and returns its job when that is done.
func (s *suite) convertShort(ctx context.Context) (client.Job, error) {
	j, err := s.uploadShort(ctx)
	if err != nil {
		return j, err
	}
	if err := s.user.waitDone(ctx, []string{j.ID}); err != nil {
		return j, err
	}
	return s.user.Job(ctx, j.ID)
}
