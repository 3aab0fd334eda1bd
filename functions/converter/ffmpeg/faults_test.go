package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"mp3converter/functions/converter/sandbox/sandboxtest"
	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

// plannedOptions make a conversion use ffprobe.
var plannedOptions = conversion.Options{Bitrate: 128}

// Programs that do not behave like ffmpeg end in the error that says so.
func TestFaultyPrograms(t *testing.T) {
	video := fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"}))
	for _, c := range []struct {
		program string // takes the place of
		of      func(*Config) *string
		options conversion.Options
		want    error
	}{
		{"hang", theFFmpeg, conversion.Options{}, conversion.TimeLimit},
		{"hang", theFFmpeg, plannedOptions, conversion.TimeLimit},
		{"hang", theFFprobe, plannedOptions, conversion.TimeLimit},
		{"spin", theFFmpeg, plannedOptions, conversion.TimeLimit},
		{"shot", theFFmpeg, conversion.Options{}, ErrKilled},
		{"shot", theFFmpeg, plannedOptions, ErrKilled},
		{"shot", theFFprobe, plannedOptions, ErrKilled},
		{"terminated", theFFprobe, plannedOptions, ErrKilled},
		{"idle", theFFmpeg, conversion.Options{}, conversion.Corrupt},
		{"idle", theFFprobe, plannedOptions, conversion.Corrupt},
		{"rubbish", theFFmpeg, conversion.Options{}, ErrBadOutput},
		{"rubbish", theFFmpeg, plannedOptions, ErrBadOutput},
		{"rubbish", theFFprobe, plannedOptions, conversion.Corrupt},
		{"frames", theFFmpeg, conversion.Options{}, ErrBadOutput},
		{"frames", theFFmpeg, plannedOptions, ErrBadOutput},
		{"verbose", theFFprobe, plannedOptions, conversion.Unsupported},
		{"diskfull", theFFmpeg, plannedOptions, syscall.ENOSPC},
		{"hungry", theFFmpeg, plannedOptions, conversion.MemoryLimit},
		{"hungry", theFFprobe, plannedOptions, conversion.MemoryLimit},
	} {
		name := c.program
		if *c.of(&Config{FFmpeg: "ffmpeg", FFprobe: "ffprobe"}) == "ffprobe" {
			name += " as ffprobe"
		}
		if c.options == (conversion.Options{}) {
			name += ", quick"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			converter := newConverter(t, func(cfg *Config) {
				*c.of(cfg) = sandboxtest.Program(t, c.program)
				if errors.Is(c.want, conversion.TimeLimit) {
					cfg.MaxTime = 3 * time.Second
				}
			})
			if _, _, err := convertInput(t, converter, video, c.options); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// A service manager that stops the converter may send SIGTERM to all of its processes. Then
// ffmpeg ends as after an error.
func TestTerminatedFFmpeg(t *testing.T) {
	r := newRun(t, newConverter(t), fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"})), plannedOptions)
	cmd := r.command(r.FFmpeg, append(progressArgs("error"), "-re", "-f", "lavfi", "-i", "anullsrc", "-f", "null", "-"))
	cmd.timeout = r.MaxTime
	var terminate sync.Once
	cmd.stdout = writerFunc(func(p []byte) (int, error) { // its progress: it is running
		terminate.Do(func() {
			for _, pid := range children(t, "ffmpeg") {
				syscall.Kill(pid, syscall.SIGTERM)
			}
		})
		return len(p), nil
	})
	var failure *conversion.Failure
	if err := classifyError(cmd.run(t.Context())); !errors.Is(err, ErrKilled) || errors.As(err, &failure) {
		t.Errorf("error %v, want ErrKilled", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// children returns the children of this process that execute a program of that name.
func children(t *testing.T, name string) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		var pid, parent int
		var comm, state string
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if _, err := fmt.Sscan(string(stat), &pid, &comm, &state, &parent); err == nil && comm == "("+name+")" && parent == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func theFFmpeg(cfg *Config) *string  { return &cfg.FFmpeg }
func theFFprobe(cfg *Config) *string { return &cfg.FFprobe }

// If the encoders of a parallel conversion fail, one ffmpeg encodes the whole audio. Its
// failure is final.
func TestFaultyEncoders(t *testing.T) {
	video := fileInput(t, makeSample(t, samples.Spec{Name: "long.m4a", Video: "none", Seconds: 320}))
	for program, want := range map[string]error{
		"shot":    ErrKilled,
		"idle":    conversion.Corrupt,
		"rubbish": conversion.Corrupt,
		"frames":  conversion.Corrupt,
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			r := newRun(t, newConverter(t), video, plannedOptions)
			r.cores = 2
			found, err := r.probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.plan, err = newPlan(found, r.options, r.Bitrate, r.cores); err != nil || r.plan.workers != 2 {
				t.Fatalf("%+v, %v, want 2 encoders", r.plan, err)
			}
			r.FFmpeg = sandboxtest.Program(t, "encoder-"+program)
			if err := r.encode(t.Context()); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
		})
	}
}

// A full disk or a missing directory is not the fault of the video.
func TestMissingDirectoryIsTemporary(t *testing.T) {
	video := fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"}))
	c := newConverter(t)
	c.config.TempDir += "/missing"
	result, err := c.Convert(t.Context(), video, conversion.Options{}, func(int) {})
	result.Close()
	var failure *conversion.Failure
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &failure) || errors.Is(err, ErrKilled) {
		t.Errorf("error %v, want only that the directory is missing", err)
	}
}

// A cancelled conversion is not a fault of the video or its program.
func TestCancelledConversion(t *testing.T) {
	video := fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"}))
	c := newConverter(t, func(cfg *Config) { cfg.FFmpeg = sandboxtest.Program(t, "hang") })
	why := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
	result, err := c.Convert(ctx, video, conversion.Options{}, func(int) {})
	result.Close()
	var failure *conversion.Failure
	if !errors.Is(err, why) || errors.As(err, &failure) || errors.Is(err, ErrKilled) {
		t.Errorf("error %v, want the cause of the cancellation", err)
	}
}

// If the disk is full, ffmpeg may exit with 0 and leave an MP3 whose header claims more
// than there is.
func TestIncompleteMP3(t *testing.T) {
	_, path, err := convertInput(t, newConverter(t), fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"})), conversion.Options{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifyMP3(bytes.NewReader(result), time.Hour); err != nil {
		t.Fatalf("the whole MP3: %v", err)
	}
	for name, kept := range map[string]int{"empty": 0, "a tag": 20, "half": len(result) / 2, "all but the last byte": len(result) - 1} {
		_, err := verifyMP3(bytes.NewReader(result[:kept]), time.Hour)
		if !errors.Is(err, ErrBadOutput) || !errors.Is(err, conversion.Corrupt) {
			t.Errorf("%s: error %v, want %v and %v", name, err, ErrBadOutput, conversion.Corrupt)
		}
	}
}
