package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"mp3converter/hack/sample"
)

// long: one 10-minute video of 230 MB, from the first byte uploaded to done,
// against ffmpeg on the same file.
func long(ctx context.Context, w *workshop) (float64, string, error) {
	path, err := sample.Spec{
		Name: "long.mp4", Seconds: 600, Picture: "640x360", Rate: 48000,
		Video: "libx264 -preset ultrafast -pix_fmt yuv420p -b:v 2950k -minrate 2950k -maxrate 2950k -bufsize 3M -x264-params nal-hrd=cbr",
	}.Path(w.dir)
	if err != nil {
		return 0, "", err
	}
	size, err := os.Stat(path)
	if err != nil {
		return 0, "", err
	}
	s, err := w.start(ctx)
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	// Alternating, the best of three each: what disturbs the machine comes
	// and goes.
	var ours, raw time.Duration
	for range 3 {
		begin := time.Now()
		if err := command(ctx, "ffmpeg", "-v", "error", "-nostdin", "-y", "-i", path, "-vn", "-b:a", "192k", filepath.Join(w.dir, "raw.mp3")); err != nil {
			return 0, "", err
		}
		raw = best(raw, time.Since(begin))

		begin = time.Now()
		j, err := s.submit(ctx, path)
		if err != nil {
			return 0, "", err
		}
		if err := s.wait(ctx, j.ID); err != nil {
			return 0, "", err
		}
		ours = best(ours, time.Since(begin))
	}
	return ours.Seconds() / raw.Seconds(), fmt.Sprintf("%.0f MB: %.2f s, ffmpeg alone %.2f s", float64(size.Size())/1e6, ours.Seconds(), raw.Seconds()), nil
}

// burst: 40 videos of 30 s at once, against xargs with ffmpeg.
func burst(ctx context.Context, w *workshop) (float64, string, error) {
	const n = 40
	path, err := sample.Spec{Name: "short.mp4", Seconds: 30, Picture: "640x360", Rate: 48000, Video: "libx264 -preset ultrafast -pix_fmt yuv420p -b:v 800k"}.Path(w.dir)
	if err != nil {
		return 0, "", err
	}
	s, err := w.start(ctx)
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	var ours, raw time.Duration
	for range 3 {
		begin := time.Now()
		if err := xargs(ctx, w.dir, path, n); err != nil {
			return 0, "", err
		}
		raw = best(raw, time.Since(begin))

		begin = time.Now()
		if err := s.convertAll(ctx, path, n); err != nil {
			return 0, "", err
		}
		ours = best(ours, time.Since(begin))
	}
	return raw.Seconds() / ours.Seconds(), fmt.Sprintf("%.2f jobs/s, xargs %.2f jobs/s", n/ours.Seconds(), n/raw.Seconds()), nil
}

func xargs(ctx context.Context, dir, path string, n int) error {
	cmd := exec.CommandContext(ctx, "xargs", "-P", fmt.Sprint(runtime.NumCPU()), "-I{}",
		"ffmpeg", "-v", "error", "-nostdin", "-y", "-i", path, "-vn", "-b:a", "192k", filepath.Join(dir, "{}.mp3"))
	var names strings.Builder
	for i := range n {
		fmt.Fprintf(&names, "burst-%d\n", i)
	}
	cmd.Stdin = strings.NewReader(names.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("xargs: %w: %s", err, out)
	}
	return nil
}

// convertAll uploads a file n times, four at a time, and waits for all jobs.
func (s *service) convertAll(ctx context.Context, path string, n int) error {
	ids := make(chan string, n)
	errs := make(chan error, n)
	var uploading sync.WaitGroup
	slots := make(chan struct{}, 4)
	for range n {
		uploading.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			j, err := s.submit(ctx, path)
			if err != nil {
				errs <- err
				return
			}
			ids <- j.ID
		})
	}
	uploading.Wait()
	close(ids)
	if len(errs) > 0 {
		return <-errs
	}
	for id := range ids {
		if err := s.wait(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func best(old, now time.Duration) time.Duration {
	if old == 0 || now < old {
		return now
	}
	return old
}
