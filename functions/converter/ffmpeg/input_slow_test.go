package ffmpeg

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/functions/converter/sandbox/sandboxtest"
	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

// slowReader waits before every read.
type slowReader struct {
	io.ReadSeekCloser
	ctx  context.Context
	wait time.Duration
	size int
}

func (r slowReader) Read(p []byte) (int, error) {
	select {
	case <-time.After(r.wait):
		return r.ReadSeekCloser.Read(p[:min(len(p), r.size)])
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
}

// slowInput returns an input whose store delivers size bytes after every wait.
func slowInput(in Input, wait time.Duration, size int) Input {
	open := in.Open
	in.Open = func(ctx context.Context) (io.ReadSeekCloser, error) {
		r, err := open(ctx)
		return slowReader{r, ctx, wait, size}, err
	}
	return in
}

// isTemporary reports whether the error is that of the environment, not of the video.
func isTemporary(err error) bool {
	var failure *conversion.Failure
	return err != nil && !errors.As(err, &failure) && !errors.Is(err, ErrKilled)
}

// A store that takes far longer than the time limit delivers a good video.
func TestSlowStore(t *testing.T) {
	const limit = 5 * time.Second // of the programs; generous for a busy machine
	video := fileInput(t, makeSample(t, samples.Spec{Name: "index at the end.mp4"}))
	r := newRun(t, newConverter(t), slowInput(video, time.Second, int(video.Size/10)), plannedOptions)
	r.MaxTime = limit
	begin := time.Now()
	if err := r.convert(t.Context()); err != nil {
		t.Errorf("error %v after %v", err, time.Since(begin))
	}
	if took := time.Since(begin); took < 2*limit {
		t.Errorf("took %v, so the store was not slow", took)
	}
}

func TestTimeLimitWithServedInput(t *testing.T) {
	video := fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"}))
	for _, tc := range []struct {
		name    string
		program string // takes the place of ffprobe
		in      Input
		final   bool
	}{
		{"a program hangs", "hang", slowInput(video, 10*time.Millisecond, 64<<10), true},
		{"a program computes", "spin", slowInput(video, 10*time.Millisecond, 64<<10), true},
		{"a program reads in circles", "circles", slowInput(video, 10*time.Millisecond, 64<<10), true},
		{"a program waits for the store", "circles", slowInput(video, time.Second, 64<<10), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newConverter(t, func(cfg *Config) {
				cfg.FFprobe, cfg.MaxTime = sandboxtest.Program(t, tc.program), 4*time.Second
			})
			_, _, err := convertInput(t, c, tc.in, plannedOptions)
			if final := errors.Is(err, conversion.TimeLimit); final != tc.final || !final && !isTemporary(err) {
				t.Errorf("error %v, final: %t", err, tc.final)
			}
		})
	}
}

// A store that delivers nothing ends the conversion, but not the job.
func TestStalledStore(t *testing.T) {
	// The index is read while the reader of the beginning is still in use.
	video := fileInput(t, makeSample(t, samples.Spec{Name: "index at the end.mp4", Seconds: 5}))
	for name, stalled := range map[string]func(opened int, ctx context.Context) (time.Duration, error){
		"at the beginning": func(int, context.Context) (time.Duration, error) { return time.Hour, nil },
		"in the middle": func(opened int, _ context.Context) (time.Duration, error) {
			return time.Duration(opened) * time.Hour, nil
		},
		"when opening": func(opened int, ctx context.Context) (time.Duration, error) { <-ctx.Done(); return 0, ctx.Err() },
		"when opening it again": func(opened int, ctx context.Context) (time.Duration, error) {
			if opened == 0 {
				return 0, nil
			}
			<-ctx.Done()
			return 0, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newConverter(t)
			c.stall = time.Second
			in := video
			var opened atomic.Int64
			in.Open = func(ctx context.Context) (io.ReadSeekCloser, error) {
				wait, err := stalled(int(opened.Add(1)-1), ctx)
				if err != nil {
					return nil, err
				}
				r, err := video.Open(ctx)
				return slowReader{r, ctx, wait, 1 << 20}, err
			}
			if _, _, err := convertInput(t, c, in, plannedOptions); !errors.Is(err, errStalled) || !isTemporary(err) {
				t.Errorf("error %v, want that the store stalled", err)
			}
		})
	}
}
