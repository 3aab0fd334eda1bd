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

	"mp3converter/test/samples"
)

// tenMinutes is a video of 230 MB.
var tenMinutes = samples.Spec{
	Name: "long.mp4", Seconds: 600, Picture: "640x360", Rate: 48000,
	Video: "libx264 -preset ultrafast -pix_fmt yuv420p -b:v 2950k -minrate 2950k -maxrate 2950k -bufsize 3M -x264-params nal-hrd=cbr",
}

// anHour has little picture and much sound.
var anHour = samples.Spec{
	Name: "hour.mp4", Seconds: 3600, Picture: "160x90", Rate: 44100,
	Video: "libx264 -preset ultrafast -pix_fmt yuv420p -r 5",
}

// long: one 10-minute video of 230 MB, from the first byte uploaded to done,
// against ffmpeg on the same file.
func long(ctx context.Context, w *workshop) (float64, string, error) {
	return single(ctx, w, tenMinutes, true, "-b:a", "192k")
}

// onecore: the same where there is one core only.
func onecore(ctx context.Context, w *workshop) (float64, string, error) {
	return single(ctx, w.oneCore(), tenMinutes, false, "-b:a", "192k")
}

// hour: an hour of sound, on all cores.
func hour(ctx context.Context, w *workshop) (float64, string, error) {
	return single(ctx, w, anHour, false, "-b:a", "192k")
}

// copied: an hour of sound that is MP3 already.
func copied(ctx context.Context, w *workshop) (float64, string, error) {
	spec := anHour
	spec.Name, spec.Audio = "hour.mkv", "libmp3lame -b:a 128k"
	return single(ctx, w, spec, false, "-c:a", "copy")
}

// single measures one video against ffmpeg with the given options: from the first
// byte of its upload, or from its acceptance.
func single(ctx context.Context, w *workshop, spec samples.Spec, withUpload bool, options ...string) (float64, string, error) {
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
	var j job
	upload := func() error { j, err = s.submit(ctx, path); return err }
	convert := func() error { return s.wait(ctx, j.ID) }
	before, measured := upload, convert
	if withUpload {
		before, measured = nothing, func() error {
			if err := upload(); err != nil {
				return err
			}
			return convert()
		}
	}
	ours, theirs, err := compare(s, func() error { return command(ctx, raw[0], raw[1:]...) }, before, measured)
	if err != nil {
		return 0, "", err
	}
	return ours.wall.Seconds() / theirs.wall.Seconds(), fmt.Sprintf("%.0f MB: %.2f s, ffmpeg alone %.2f s; processor time ratio %.2f",
		float64(size.Size())/1e6, ours.wall.Seconds(), theirs.wall.Seconds(), ours.cpu.Seconds()/theirs.cpu.Seconds()), nil
}

// cost is the least that something took in several runs.
type cost struct{ wall, cpu time.Duration }

func nothing() error { return nil }

// compare runs both alternately, three times: what disturbs the machine comes
// and goes. What goes before ours does not count.
func compare(s *service, theirs, before, ours func() error) (us, them cost, err error) {
	for range 3 {
		begin, used := time.Now(), childrenCPU()
		if err := theirs(); err != nil {
			return us, them, err
		}
		them = cost{best(them.wall, time.Since(begin)), best(them.cpu, childrenCPU()-used)}

		if err := before(); err != nil {
			return us, them, err
		}
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
	path, err := samples.Spec{Name: "short.mp4", Seconds: 30, Picture: "640x360", Rate: 48000, Video: "libx264 -preset ultrafast -pix_fmt yuv420p -b:v 800k"}.Path(w.dir)
	if err != nil {
		return 0, "", err
	}
	s, err := w.start(ctx)
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	ours, raw, err := compare(s,
		func() error { return xargs(ctx, w.dir, path, n) }, nothing,
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
