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

// tenMinutes is a video of 230 MB.
var tenMinutes = sample.Spec{
	Name: "long.mp4", Seconds: 600, Picture: "640x360", Rate: 48000,
	Video: "libx264 -preset ultrafast -pix_fmt yuv420p -b:v 2950k -minrate 2950k -maxrate 2950k -bufsize 3M -x264-params nal-hrd=cbr",
}

// anHour has little picture and much sound.
var anHour = sample.Spec{
	Name: "hour.mp4", Seconds: 3600, Picture: "160x90", Rate: 44100,
	Video: "libx264 -preset ultrafast -pix_fmt yuv420p -r 5",
}

// long: one 10-minute video of 230 MB, from the first byte uploaded to done,
// against ffmpeg on the same file.
func long(ctx context.Context, w *workshop) (float64, string, error) {
	return single(ctx, w, tenMinutes, beforeUpload, "-b:a", "192k")
}

// onecore: the same where there is one core only.
func onecore(ctx context.Context, w *workshop) (float64, string, error) {
	return single(ctx, w.oneCore(), tenMinutes, acceptance, "-b:a", "192k")
}

// hour: an hour of sound, on all cores.
func hour(ctx context.Context, w *workshop) (float64, string, error) {
	return single(ctx, w, anHour, acceptance, "-b:a", "192k")
}

// copied: an hour of sound that is MP3 already.
func copied(ctx context.Context, w *workshop) (float64, string, error) {
	spec := anHour
	spec.Name, spec.Audio = "hour.mkv", "libmp3lame -b:a 128k"
	return single(ctx, w, spec, acceptance, "-c:a", "copy")
}

// moment is where the measuring of a job begins.
type moment bool

const (
	beforeUpload moment = false // with its first byte
	acceptance   moment = true  // when it is a job
)

// once converts a video by both ways.
func (s *service) once(ctx context.Context, path string, raw []string, from moment) (us, them cost, err error) {
	begin, used := time.Now(), childrenCPU()
	if err := command(ctx, raw[0], raw[1:]...); err != nil {
		return us, them, err
	}
	them = cost{time.Since(begin), childrenCPU() - used}

	begin = time.Now()
	used, err = s.cpu()
	if err != nil {
		return us, them, err
	}
	j, err := s.submit(ctx, path)
	if err != nil {
		return us, them, err
	}
	if from == acceptance {
		begin = time.Now()
		if used, err = s.cpu(); err != nil {
			return us, them, err
		}
	}
	if err := s.wait(ctx, j.ID); err != nil {
		return us, them, err
	}
	after, err := s.cpu()
	return cost{time.Since(begin), after - used}, them, err
}

// single measures one video against ffmpeg with the given options.
func single(ctx context.Context, w *workshop, spec sample.Spec, from moment, options ...string) (float64, string, error) {
	path, err := spec.Path(w.dir)
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
	raw := w.program("ffmpeg", append(append([]string{"-v", "error", "-nostdin", "-y", "-i", path, "-vn"}, options...), filepath.Join(w.dir, "raw.mp3"))...)
	var ours, theirs cost
	for range 3 {
		us, them, err := s.once(ctx, path, raw, from)
		if err != nil {
			return 0, "", err
		}
		ours, theirs = ours.least(us), theirs.least(them)
	}
	if err != nil {
		return 0, "", err
	}
	return ours.wall.Seconds() / theirs.wall.Seconds(), fmt.Sprintf("%.0f MB: %.2f s, ffmpeg alone %.2f s; processor time ratio %.2f",
		float64(size.Size())/1e6, ours.wall.Seconds(), theirs.wall.Seconds(), ours.cpu.Seconds()/theirs.cpu.Seconds()), nil
}

// cost is the least that something took in several runs.
type cost struct{ wall, cpu time.Duration }

// least is the smaller of two, each for itself.
func (c cost) least(other cost) cost {
	return cost{best(c.wall, other.wall), best(c.cpu, other.cpu)}
}

// compare runs both alternately, three times: what disturbs the machine comes
// and goes.
func compare(s *service, theirs, ours func() error) (us, them cost, err error) {
	for range 3 {
		begin, used := time.Now(), childrenCPU()
		if err := theirs(); err != nil {
			return us, them, err
		}
		them = cost{best(them.wall, time.Since(begin)), best(them.cpu, childrenCPU()-used)}

		begin = time.Now()
		used, err := s.cpu()
		if err != nil {
			return us, them, err
		}
		if err := ours(); err != nil {
			return us, them, err
		}
		after, err := s.cpu()
		if err != nil {
			return us, them, err
		}
		us = cost{best(us.wall, time.Since(begin)), best(us.cpu, after-used)}
	}
	return us, them, nil
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
	ours, raw, err := compare(s,
		func() error { return xargs(ctx, w.dir, path, n) },
		func() error { return s.convertAll(ctx, path, n) })
	if err != nil {
		return 0, "", err
	}
	return raw.wall.Seconds() / ours.wall.Seconds(), fmt.Sprintf("%.2f jobs/s, xargs %.2f jobs/s; processor time ratio %.2f",
		n/ours.wall.Seconds(), n/raw.wall.Seconds(), raw.cpu.Seconds()/ours.cpu.Seconds()), nil
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
