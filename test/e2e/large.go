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

	"mp3converter/test/samples"
)

// large sends 1 GB as fast as it goes and, at the same time, a video at 1 MB/s for
// longer than the 60 s at which many an ingress gives up.
func large(ctx context.Context, b *bench) error {
	if err := b.user(ctx); err != nil {
		return err
	}
	short, _, err := b.video(samples.Spec{Name: "padded.mp4", Seconds: 3})
	if err != nil {
		return err
	}
	slow := make(chan error, 1)
	var slowJob job
	go func() {
		var err error
		slowJob, err = b.client.upload(ctx, "slow.mp4", &limited{ctx, padded(short, 75e6), rate.NewLimiter(1e6, 64<<10)})
		slow <- err
	}()
	if err := refused(ctx, b, padded(short, 200e6)); err != nil {
		return err
	}
	start := time.Now()
	j, err := b.client.upload(ctx, "large.mp4", padded(short, 1e9))
	if err != nil {
		return fmt.Errorf("1 GB: %w", err)
	}
	b.figure("upload of 1 GB, MB/s", 1000/time.Since(start).Seconds())
	if err := <-slow; err != nil {
		return fmt.Errorf("75 MB at 1 MB/s: %w", err)
	}
	return b.client.finish(ctx, []string{j.ID, slowJob.ID})
}

// refused makes sure that a client learns why its upload is not wanted, although
// it is still sending.
func refused(ctx context.Context, b *bench, video io.Reader) error {
	_, err := b.client.call(ctx, http.MethodPost, "/upload?name=x.mp4", video,
		http.Header{"Authorization": {"Bearer none"}, "Content-Type": {"video/mp4"}}, http.StatusUnauthorized)
	if err != nil {
		return fmt.Errorf("upload with a bad token: %w", err)
	}
	return nil
}

// padded is a video of a given size: a short one with a box behind it that players
// skip. It takes no place on the disk.
func padded(short []byte, size int64) io.Reader {
	rest := size - int64(len(short))
	box := binary.BigEndian.AppendUint32(nil, uint32(rest))
	box = append(box, "free"...)
	return io.MultiReader(bytes.NewReader(short), bytes.NewReader(box), io.LimitReader(zeros{}, rest-int64(len(box))))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// limited is a slow line.
type limited struct {
	ctx  context.Context
	r    io.Reader
	rate *rate.Limiter
}

func (l *limited) Read(p []byte) (int, error) {
	if len(p) > l.rate.Burst() {
		p = p[:l.rate.Burst()]
	}
	n, err := l.r.Read(p)
	if waitErr := l.rate.WaitN(l.ctx, n); waitErr != nil {
		return n, waitErr
	}
	return n, err
}
