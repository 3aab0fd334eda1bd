package parallel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/functions/converter/parallel"
)

var stereo = parallel.Params{SampleRate: 44100, Channels: 2, Format: "f32le", Bitrate: 128_000}

// endlessSilence is PCM that never ends.
type endlessSilence struct{}

func (endlessSilence) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// outputFile returns a file to write the MP3 to.
func outputFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// scriptCommand returns a Config.Command that runs a shell script, in which "$@" is
// ffmpeg's command line.
func scriptCommand(t *testing.T, script string) func(context.Context, []string) *exec.Cmd {
	bin := ffmpeg(t)
	return func(ctx context.Context, args []string) *exec.Cmd {
		return groupCommand(ctx, "/bin/sh", append([]string{"-c", script, "sh", bin}, args...)...)
	}
}

func TestInvalidInput(t *testing.T) {
	readErr := errors.New("read failed")
	for name, tc := range map[string]struct {
		pcm  io.Reader
		want string
	}{
		"empty":         {bytes.NewReader(nil), "no audio"},
		"half a sample": {bytes.NewReader(make([]byte, 8_003)), "within a sample"},
		"read error":    {io.MultiReader(bytes.NewReader(make([]byte, 80_000)), iotest.ErrReader(readErr)), readErr.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parallel.Encode(t.Context(), parallel.Config{Command: ffmpegCommand(t), Workers: 2}, stereo, tc.pcm, outputFile(t))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestInvalidSettings(t *testing.T) {
	config := parallel.Config{Command: ffmpegCommand(t)}
	for name, tc := range map[string]struct {
		config parallel.Config
		params func(*parallel.Params)
	}{
		"no command":  {parallel.Config{}, nil},
		"sample rate": {config, func(p *parallel.Params) { p.SampleRate = 96000 }},
		"channels":    {config, func(p *parallel.Params) { p.Channels = 6 }},
		"format":      {config, func(p *parallel.Params) { p.Format = "mulaw" }},
		"bitrate":     {config, func(p *parallel.Params) { p.Bitrate = 500_000 }},
		"quality":     {config, func(p *parallel.Params) { p.Bitrate, p.Quality = 0, 11 }},
	} {
		t.Run(name, func(t *testing.T) {
			p := stereo
			if tc.params != nil {
				tc.params(&p)
			}
			// The PCM never ends, so Encode would not return if it accepted the setting.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := parallel.Encode(ctx, tc.config, p, endlessSilence{}, outputFile(t)); err == nil || ctx.Err() != nil {
				t.Errorf("%v, want an error at once", err)
			}
		})
	}
}

func TestEncoderFailure(t *testing.T) {
	for name, script := range map[string]string{
		"at once":     `echo "no such codec" >&2; exit 3`,
		"halfway":     `head -c 3000000 | "$@"; echo "no such codec" >&2; exit 3`,
		"by a signal": `head -c 3000000 | "$@"; echo "no such codec" >&2; kill -9 $$`,
		"exit code 0": `echo "no such codec" >&2; head -c 3000000 | "$@"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := parallel.Config{Command: scriptCommand(t, script), Workers: 2}.WithChunkFrames(2 * parallel.PaddingPeriod)
			_, err := parallel.Encode(t.Context(), cfg, stereo, endlessSilence{}, outputFile(t))
			var dead *parallel.EncoderError
			if !errors.As(err, &dead) || !strings.Contains(dead.Stderr, "no such codec") {
				t.Errorf("%v, want an EncoderError with its standard error", err)
			}
		})
	}
}

func TestMissingEncoder(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "ffmpeg")
	cfg := parallel.Config{Workers: 2, Command: func(ctx context.Context, args []string) *exec.Cmd {
		return groupCommand(ctx, missing, args...)
	}}
	if _, err := parallel.Encode(t.Context(), cfg, stereo, endlessSilence{}, outputFile(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want os.ErrNotExist", err)
	}
}

// TestNoSplicePoint makes the first segment of full frames of the highest bitrate,
// without bit reservoir. The second one borrows.
func TestNoSplicePoint(t *testing.T) {
	p := stereo
	p.Bitrate = 320_000
	var once sync.Once
	command := scriptCommand(t, `exec "$@"`)
	cfg := parallel.Config{Workers: 2, Command: func(ctx context.Context, args []string) *exec.Cmd {
		once.Do(func() {
			at := slices.Index(args, "libmp3lame") + 1
			args = slices.Insert(slices.Clone(args), at, "-reservoir", "0")
		})
		return command(ctx, args)
	}}.WithChunkFrames(parallel.PaddingPeriod)
	pcm := f32le(noise(p.SampleRate, p.Channels, 20*p.SampleRate))
	if _, err := parallel.Encode(t.Context(), cfg, p, bytes.NewReader(pcm), outputFile(t)); !errors.Is(err, parallel.ErrNoSplicePoint) {
		t.Errorf("%v, want ErrNoSplicePoint", err)
	}
}

func TestOutputError(t *testing.T) {
	out := outputFile(t)
	out.Close()
	cfg := parallel.Config{Command: ffmpegCommand(t), Workers: 2}.WithChunkFrames(parallel.PaddingPeriod)
	if _, err := parallel.Encode(t.Context(), cfg, stereo, endlessSilence{}, out); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, want os.ErrClosed", err)
	}
}

// TestCancelLeavesNoProcess cancels while Encode waits for PCM from a pipe. Its
// encoders have child processes.
func TestCancelLeavesNoProcess(t *testing.T) {
	silent, writer := io.Pipe()
	defer writer.Close()
	killed := make(chan int, 2)
	command := scriptCommand(t, `exec 3<&0; "$@" <&3 3<&- & wait`)
	cfg := parallel.Config{
		Workers: 2,
		Command: func(ctx context.Context, args []string) *exec.Cmd {
			cmd := command(ctx, args)
			kill := cmd.Cancel
			cmd.Cancel = func() error { killed <- cmd.Process.Pid; return kill() }
			return cmd
		},
	}.WithChunkFrames(parallel.PaddingPeriod)
	ctx, cancel := context.WithCancel(t.Context())
	cfg.Progress = func(int64) { cancel() } // by then encoders are running
	// PCM for some segments, then a Read that blocks.
	pcm := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(endlessSilence{}, 20*parallel.PaddingPeriod*1152*8), silent), silent}
	done := make(chan error, 1)
	go func() {
		_, err := parallel.Encode(ctx, cfg, stereo, pcm, outputFile(t))
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Encode did not return after it was cancelled")
	}
	close(killed)
	n := 0
	for pid := range killed {
		n++
		// init reaps orphaned grandchildren a moment later.
		deadline := time.Now().Add(10 * time.Second)
		for syscall.Kill(-pid, 0) == nil {
			if time.Now().After(deadline) {
				t.Fatalf("process group %d still exists", pid)
			}
			time.Sleep(time.Millisecond)
		}
	}
	if n == 0 {
		t.Error("no encoder was killed")
	}
}

// TestSlowEncoder makes the first encoder slow to start. Encode must still finish with
// a correct file.
func TestSlowEncoder(t *testing.T) {
	p := parallel.Params{SampleRate: 48000, Channels: 1, Format: "s16le", Bitrate: 64_000}
	var once sync.Once
	fast, slow := scriptCommand(t, `exec "$@"`), scriptCommand(t, `sleep 1; exec "$@"`)
	cfg := parallel.Config{Workers: 3, Command: func(ctx context.Context, args []string) *exec.Cmd {
		cmd := fast(ctx, args)
		once.Do(func() { cmd = slow(ctx, args) })
		return cmd
	}}.WithChunkFrames(parallel.PaddingPeriod)
	const samples = 120 * parallel.PaddingPeriod * 1152
	data, result := encodeParallel(t, cfg, p, bytes.NewReader(make([]byte, 2*samples)))
	checkFile(t, data, result, samples)
}

// TestReadAheadIsBounded checks that Encode stops reading when all buffers are full,
// because the encoders read nothing.
func TestReadAheadIsBounded(t *testing.T) {
	const workers = 2
	buffer := int64(3 * parallel.PaddingPeriod * 1152 * 8)
	c := &countingSilence{enough: make(chan struct{}), limit: (workers + 1) * buffer}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		select {
		case <-c.enough:
		case <-time.After(20 * time.Second):
		}
		cancel()
	}()
	cfg := parallel.Config{Command: scriptCommand(t, `sleep 60`), Workers: workers}.WithChunkFrames(parallel.PaddingPeriod)
	if _, err := parallel.Encode(ctx, cfg, stereo, c, outputFile(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if c.n > (workers+2)*buffer {
		t.Errorf("%d bytes read for buffers of %d", c.n, (workers+2)*buffer)
	}
}

type countingSilence struct {
	n, limit int64
	enough   chan struct{}
}

func (c *countingSilence) Read(p []byte) (int, error) {
	clear(p)
	if c.n < c.limit && c.n+int64(len(p)) >= c.limit {
		close(c.enough)
	}
	c.n += int64(len(p))
	return len(p), nil
}
