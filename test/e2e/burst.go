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

// film is the video of the bursts: sound as of a real one, little picture.
func (b *bench) film() ([]byte, string, error) {
	return b.video(samples.Spec{
		Name: "film.mp4", Seconds: b.seconds, Picture: "160x90",
		Video: "libx264 -preset ultrafast -crf 40 -pix_fmt yuv420p -r 5",
	})
}

// video makes a sample, and reads it.
func (b *bench) video(s samples.Spec) (content []byte, path string, err error) {
	if path, err = s.Path(b.dir); err != nil {
		return nil, "", err
	}
	content, err = os.ReadFile(path)
	return content, path, err
}

// bare converts as many videos by ffmpeg alone, one for each core at a time.
func bare(ctx context.Context, b *bench) error {
	_, path, err := b.film()
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "bare")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script := fmt.Sprintf(`seq %d | xargs -P %d -I{} ffmpeg -nostdin -v error -threads 1 -i "$0" -vn -c:a libmp3lame -b:a 192k {}.mp3`, b.burst, runtime.NumCPU())
	cmd := exec.CommandContext(ctx, "sh", "-c", script, path)
	cmd.Dir = dir
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg: %w: %s", err, bytes.TrimSpace(out))
	}
	b.bare = float64(b.burst) / time.Since(start).Seconds()
	b.figure("ffmpeg alone, videos/s", b.bare)
	return nil
}

// burst sends all videos at once to a service that is asleep.
func burst(ctx context.Context, b *bench) error {
	if err := b.user(ctx); err != nil {
		return err
	}
	video, _, err := b.film()
	if err != nil {
		return err
	}
	if err := b.cluster.asleep(ctx, functions...); err != nil {
		return err
	}
	requests, broken := b.client.requests.Load(), b.client.broken.Load()
	watched := b.watch(ctx)
	defer watched.stop()
	start := time.Now()
	ids, err := b.send(ctx, video, b.burst, watched)
	if err != nil {
		return err
	}
	b.figure("burst: all uploads accepted after, s", time.Since(start).Seconds())
	if err := b.client.finish(ctx, ids); err != nil {
		return err
	}
	rate := float64(b.burst) / time.Since(start).Seconds()
	b.figure("burst: videos/s", rate)
	if b.bare > 0 {
		b.figure("burst: share of what ffmpeg alone does", rate/b.bare)
	}
	most := watched.most("converter")
	limit, err := b.maxScale(ctx)
	if err != nil {
		return err
	}
	if err := b.cluster.empty(ctx); err != nil {
		return err
	}
	watched.stop()
	b.report.Burst = watched.samples
	b.figure("burst: most converters", float64(most))
	switch broken := b.client.broken.Load() - broken; {
	case broken > 0:
		return fmt.Errorf("%d of %d answers were 5xx", broken, b.client.requests.Load()-requests)
	case most != limit:
		return fmt.Errorf("at most %d converters were ready, of %d allowed", most, limit)
	}
	return nil
}

// send uploads the same video n times at once.
func (b *bench) send(ctx context.Context, video []byte, n int, watched *watch) ([]string, error) {
	ids, errs := make([]string, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			j, err := b.client.upload(ctx, fmt.Sprintf("film %d.mp4", i+1), bytes.NewReader(video))
			ids[i], errs[i] = j.ID, err
			if err == nil && watched != nil {
				watched.expect(j.ID)
			}
		})
	}
	group.Wait()
	return ids, errors.Join(errs...)
}

// maxScale is how many converters the manifest allows.
func (b *bench) maxScale(ctx context.Context) (int, error) {
	var service struct {
		Spec struct {
			Template struct {
				Metadata struct{ Annotations map[string]string }
			}
		}
	}
	if err := b.cluster.get(ctx, "/apis/serving.knative.dev/v1/namespaces/"+namespace+"/services/converter", &service); err != nil {
		return 0, err
	}
	var n int
	_, err := fmt.Sscan(service.Spec.Template.Metadata.Annotations["autoscaling.knative.dev/max-scale"], &n)
	return n, err
}
