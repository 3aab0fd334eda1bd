package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"mp3converter/shared/client"
	"mp3converter/test/samples"
)

// runUploads uploads 1 GB at full speed and, at the same time, 75 MB at 1 MB/s,
// which takes longer than the 60 s after which many ingresses time out.
func runUploads(ctx context.Context, s *suite) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	short, _, err := s.readSample(samples.Spec{Name: "padded.mp4", Seconds: 3})
	if err != nil {
		return err
	}
	slow := make(chan error, 1)
	var slowJob client.Job
	go func() {
		var err error
		slowJob, err = s.user.Upload(ctx, "slow.mp4", &rateLimitedReader{ctx, padVideo(short, 75e6), rate.NewLimiter(1e6, 64<<10)})
		slow <- err
	}()
	if err := s.checkRefusal(ctx, padVideo(short, 200e6)); err != nil {
		return err
	}
	start := time.Now()
	j, err := s.user.Upload(ctx, "large.mp4", padVideo(short, 1e9))
	if err != nil {
		return fmt.Errorf("upload 1 GB: %w", err)
	}
	s.recordFigure("upload of 1 GB, MB/s", 1000/time.Since(start).Seconds())
	if err := <-slow; err != nil {
		return fmt.Errorf("upload 75 MB at 1 MB/s: %w", err)
	}
	return s.user.waitDone(ctx, []string{j.ID, slowJob.ID})
}

// checkRefusal checks that a client receives the reason for a refused upload
// while it is still sending.
func (s *suite) checkRefusal(ctx context.Context, video io.Reader) error {
	badToken := client.Client{BaseURL: s.user.BaseURL, Token: "none", HTTP: s.user.HTTP}
	_, err := badToken.Upload(ctx, "x.mp4", video)
	if client.StatusCode(err) != http.StatusUnauthorized {
		return fmt.Errorf("upload with a bad token: %v, want status 401", err)
	}
	return nil
}

// padVideo returns a video of the given size: a short one followed by a box that
// players skip. It needs no disk space.
func padVideo(short []byte, size int64) io.Reader {
	rest := size - int64(len(short))
	box := binary.BigEndian.AppendUint32(nil, uint32(rest))
	box = append(box, "free"...)
	return io.MultiReader(bytes.NewReader(short), bytes.NewReader(box), io.LimitReader(zeroReader{}, rest-int64(len(box))))
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// rateLimitedReader simulates a slow connection.
type rateLimitedReader struct {
	ctx     context.Context
	reader  io.Reader
	limiter *rate.Limiter
}

func (r *rateLimitedReader) Read(p []byte) (int, error) {
	if len(p) > r.limiter.Burst() {
		p = p[:r.limiter.Burst()]
	}
	n, err := r.reader.Read(p)
	if waitErr := r.limiter.WaitN(r.ctx, n); waitErr != nil {
		return n, waitErr
	}
	return n, err
}
