package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"mp3converter/test/samples"
)

// burstVideo returns the video of the bursts, which has realistic audio and a small
// picture.
func (s *suite) burstVideo() (content []byte, path string, err error) {
	return s.readSample(samples.Spec{
		Name: "film.mp4", Seconds: s.seconds, Picture: "160x90",
		Video: "libx264 -preset ultrafast -crf 40 -pix_fmt yuv420p -r 5",
	})
}

// readSample creates a sample and reads it.
func (s *suite) readSample(spec samples.Spec) (content []byte, path string, err error) {
	if path, err = spec.Path(s.dir); err != nil {
		return nil, "", err
	}
	content, err = os.ReadFile(path)
	return content, path, err
}

// runFFmpegAlone converts the burst's videos with ffmpeg, one for each core at a
// time.
func runFFmpegAlone(ctx context.Context, s *suite) error {
	_, path, err := s.burstVideo()
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "ffmpeg")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script := fmt.Sprintf(`seq %d | xargs -P %d -I{} ffmpeg -nostdin -v error -threads 1 -i "$0" -vn -c:a libmp3lame -b:a 192k {}.mp3`, s.burst, runtime.NumCPU())
	cmd := exec.CommandContext(ctx, "sh", "-c", script, path)
	cmd.Dir = dir
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg: %w: %s", err, bytes.TrimSpace(out))
	}
	s.ffmpegRate = float64(s.burst) / time.Since(start).Seconds()
	s.recordFigure("ffmpeg alone, videos/s", s.ffmpegRate)
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() // with those of xargs' children
	s.recordFigure("ffmpeg alone, core-seconds per video", used.Seconds()/float64(s.burst))
	return nil
}

// runBurst uploads all videos at once while the service is scaled to zero.
func runBurst(ctx context.Context, s *suite) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	video, _, err := s.burstVideo()
	if err != nil {
		return err
	}
	if err := s.cluster.waitScaledToZero(ctx, functions...); err != nil {
		return err
	}
	limit, cores, err := s.converterLimits(ctx)
	if err != nil {
		return err
	}
	requests, serverErrors := s.user.counter.requests.Load(), s.user.counter.serverErrors.Load()
	costs := s.measureCosts(ctx)
	timeline := s.startTimeline(ctx)
	defer timeline.stop()
	start := time.Now()
	ids, err := s.uploadAll(ctx, video, s.burst, timeline)
	if err != nil {
		return err
	}
	uploaded := time.Now()
	s.recordFigure("burst: all uploads accepted after, s", uploaded.Sub(start).Seconds())
	if err := s.user.waitDone(ctx, ids); err != nil {
		return err
	}
	rate := float64(s.burst) / time.Since(start).Seconds()
	s.recordFigure("burst: videos/s", rate)
	if s.ffmpegRate > 0 {
		s.recordFigure("burst: rate ÷ rate of ffmpeg alone", rate/s.ffmpegRate)
	}
	if err := s.checkAttempts(ctx, start, uploaded, limit, cores); err != nil {
		return err
	}
	if err := costs.record(ctx, s, int64(len(video)), s.burst); err != nil {
		fmt.Println("   costs not measured:", err)
	}
	converters := timeline.maxReady("converter")
	if err := s.cluster.waitNoPods(ctx); err != nil {
		return err
	}
	timeline.stop()
	s.report.Burst = timeline.samples
	s.recordFigure("burst: most converters", float64(converters))
	switch n := s.user.counter.serverErrors.Load() - serverErrors; {
	case n > 0:
		return fmt.Errorf("%d of %d responses were 5xx", n, s.user.counter.requests.Load()-requests)
	case converters != limit:
		return fmt.Errorf("at most %d converters were ready at once, want %d (max-scale)", converters, limit)
	}
	return nil
}

// uploadAll uploads the same video n times at once and returns the job IDs. The
// timeline may be nil.
func (s *suite) uploadAll(ctx context.Context, video []byte, n int, timeline *timeline) ([]string, error) {
	ids, errs := make([]string, n), make([]error, n)
	var uploads sync.WaitGroup
	for i := range n {
		uploads.Go(func() {
			j, err := s.user.Upload(ctx, fmt.Sprintf("film %d.mp4", i+1), bytes.NewReader(video))
			ids[i], errs[i] = j.ID, err
			if err == nil && timeline != nil {
				timeline.addJob(j.ID)
			}
		})
	}
	uploads.Wait()
	return ids, errors.Join(errs...)
}

// converterLimits returns the converter's max-scale annotation and its CPU limit in cores,
// or 0 if it has none.
func (s *suite) converterLimits(ctx context.Context) (pods int, cores int64, err error) {
	service, err := s.cluster.service(ctx, "converter")
	if err != nil {
		return 0, 0, err
	}
	template := service.Spec.Template
	_, err = fmt.Sscan(template.Annotations["autoscaling.knative.dev/max-scale"], &pods)
	return pods, template.Spec.Containers[0].Resources.Limits.Cpu().Value(), err
}
