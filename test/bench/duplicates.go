package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// measureDuplicates sends the same upload with one Idempotency-Key many times at once and
// returns the number of jobs. Like a client, it repeats a request that is refused with
// Retry-After.
func measureDuplicates(ctx context.Context, h *harness) (float64, string, error) {
	const requests, size = 1000, 100_000
	s, err := h.start(ctx, "CONVERSIONS=1", "FFMPEG=true", "FFPROBE=true")
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	begun := time.Now()
	var wg sync.WaitGroup
	errs, refused := make([]error, requests), make([]int, requests)
	for i := range requests {
		wg.Go(func() { refused[i], errs[i] = s.uploadWithKey(ctx, "key", size) })
	}
	wg.Wait()
	took := time.Since(begun)
	jobs, err := s.Jobs(ctx)
	if err := errors.Join(append(errs, err)...); err != nil {
		return 0, "", err
	}
	total := 0
	for _, n := range refused {
		total += n
	}
	return float64(len(jobs)), fmt.Sprintf("%d requests of %d kB in %.1f s, %d refusals with Retry-After", requests, size/1000, took.Seconds(), total), nil
}

// uploadWithKey sends an upload until it is accepted. It returns how often it was refused.
func (s *service) uploadWithKey(ctx context.Context, key string, size int64) (refused int, err error) {
	header := http.Header{"Content-Type": {"video/mp4"}, "Idempotency-Key": {key}}
	for ; ; refused++ {
		resp, err := s.Do(ctx, http.MethodPost, "/upload?name=random.mp4", header, randomBytes(size))
		if err != nil {
			return refused, err
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode == http.StatusAccepted {
			return refused, err
		}
		pause, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil {
			return refused, fmt.Errorf("POST /upload: %s %s", resp.Status, text)
		}
		select {
		case <-ctx.Done():
			return refused, ctx.Err()
		case <-time.After(time.Duration(pause) * time.Second):
		}
	}
}
