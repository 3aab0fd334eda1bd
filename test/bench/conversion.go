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

	"mp3converter/shared/client"
	"mp3converter/test/samples"
)

// tenMinutes is a video of 230 MB.
var tenMinutes = samples.Spec{
	Name: "long.mp4", Seconds: 600, Picture: "640x360", Rate: 48000,
	Video: "libx264 -preset ultrafast -pix_fmt yuv420p -b:v 2950k -minrate 2950k -maxrate 2950k -bufsize 3M -x264-params nal-hrd=cbr",
}

// oneHour is a video whose size is mostly audio.
var oneHour = samples.Spec{
	Name: "hour.mp4", Seconds: 3600, Picture: "160x90", Rate: 44100,
	Video: "libx264 -preset ultrafast -pix_fmt yuv420p -r 5",
}

// measureLong compares one 10-minute video of 230 MB, from the first byte of the
// upload until the job is done, with ffmpeg on the same file.
func measureLong(ctx context.Context, h *harness) (float64, string, error) {
	return measureVideo(ctx, h, tenMinutes, true, "-b:a", "192k")
}

// measureOneCore compares the conversion of the same video on one core.
func measureOneCore(ctx context.Context, h *harness) (float64, string, error) {
	return measureVideo(ctx, h.withOneCore(), tenMinutes, false, "-b:a", "192k")
}

// measureHour compares the conversion of one hour of audio on all cores.
func measureHour(ctx context.Context, h *harness) (float64, string, error) {
	return measureVideo(ctx, h, oneHour, false, "-b:a", "192k")
}

// measureCopied compares the conversion of one hour of audio that is already MP3.
func measureCopied(ctx context.Context, h *harness) (float64, string, error) {
	spec := oneHour
	spec.Name, spec.Audio = "hour.mkv", "libmp3lame -b:a 128k"
	return measureVideo(ctx, h, spec, false, "-c:a", "copy")
}

// measureVideo compares one job with ffmpeg and the given options. The job's time
// starts at the beginning of its upload if withUpload, otherwise at its end.
func measureVideo(ctx context.Context, h *harness, spec samples.Spec, withUpload bool, options ...string) (float64, string, error) {
	path, err := spec.Path(h.dir)
	if err != nil {
		return 0, "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, "", err
	}
	s, err := h.start(ctx)
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	args := append(append([]string{"-v", "error", "-nostdin", "-y", "-i", path, "-vn"}, options...), filepath.Join(h.dir, "ffmpeg.mp3"))
	ffmpeg := h.commandLine("ffmpeg", args...)
	var j client.Job
	upload := func() error { j, err = s.uploadFile(ctx, path); return err }
	wait := func() error { _, err := s.Wait(ctx, j.ID); return err }
	prepare, measured := upload, wait
	if withUpload {
		prepare, measured = doNothing, func() error {
			if err := upload(); err != nil {
				return err
			}
			return wait()
		}
	}
	job, alone, err := compare(s.cpuTime, func() error { return runCommand(ctx, ffmpeg[0], ffmpeg[1:]...) }, prepare, measured)
	if err != nil {
		return 0, "", err
	}
	return job.wall.Seconds() / alone.wall.Seconds(), fmt.Sprintf("%.0f MB: %.2f s, ffmpeg alone %.2f s; processor time ratio %.2f",
		float64(info.Size())/1e6, job.wall.Seconds(), alone.wall.Seconds(), job.cpu.Seconds()/alone.cpu.Seconds()), nil
}

// measureBurst compares 40 videos of 30 s, uploaded at once, with ffmpeg under
// xargs.
func measureBurst(ctx context.Context, h *harness) (float64, string, error) {
	const n = 40
	path, err := samples.Spec{Name: "short.mp4", Seconds: 30, Picture: "640x360", Rate: 48000, Video: "libx264 -preset ultrafast -pix_fmt yuv420p -b:v 800k"}.Path(h.dir)
	if err != nil {
		return 0, "", err
	}
	s, err := h.start(ctx)
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	jobs, alone, err := compare(s.cpuTime,
		func() error { return runXargs(ctx, h.dir, path, n) }, doNothing,
		func() error { return s.convertAll(ctx, path, n) })
	if err != nil {
		return 0, "", err
	}
	return alone.wall.Seconds() / jobs.wall.Seconds(), fmt.Sprintf("%.2f jobs/s, xargs %.2f jobs/s; processor time ratio %.2f",
		n/jobs.wall.Seconds(), n/alone.wall.Seconds(), alone.cpu.Seconds()/jobs.cpu.Seconds()), nil
}

// runXargs converts a file n times with ffmpeg, one process for each core.
func runXargs(ctx context.Context, dir, path string, n int) error {
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
	var uploads sync.WaitGroup
	slots := make(chan struct{}, 4)
	for range n {
		uploads.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			j, err := s.uploadFile(ctx, path)
			if err != nil {
				errs <- err
				return
			}
			ids <- j.ID
		})
	}
	uploads.Wait()
	close(ids)
	if len(errs) > 0 {
		return <-errs
	}
	for id := range ids {
		if _, err := s.Wait(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
