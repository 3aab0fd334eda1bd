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

// zeroes is PCM of silence without end.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// scratch is a file to write to.
func scratch(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// shell makes encoders that run a script, with the real command line as "$@".
func shell(t *testing.T, script string) func(context.Context, []string) *exec.Cmd {
	bin := ffmpeg(t)
	return func(ctx context.Context, args []string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", script, "sh", bin}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		cmd.WaitDelay = 5 * time.Second
		return cmd
	}
}

func TestBrokenInputIsAnError(t *testing.T) {
	broken := errors.New("the decoder's pipe burst")
	for name, tc := range map[string]struct {
		pcm  io.Reader
		want string
	}{
		"empty":         {bytes.NewReader(nil), parallel.ErrNoAudio.Error()},
		"half a sample": {bytes.NewReader(make([]byte, 8_003)), "within a sample"},
		"read error":    {io.MultiReader(bytes.NewReader(make([]byte, 80_000)), iotest.ErrReader(broken)), broken.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parallel.Encode(t.Context(), parallel.Config{FFmpeg: ffmpeg(t), Workers: 2}, stereo, tc.pcm, scratch(t))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		config parallel.Config
		params func(*parallel.Params)
	}{
		"no ffmpeg":   {parallel.Config{}, nil},
		"odd piece":   {parallel.Config{FFmpeg: "ffmpeg", Piece: 50}, nil},
		"sample rate": {parallel.Config{FFmpeg: "ffmpeg"}, func(p *parallel.Params) { p.SampleRate = 96000 }},
		"channels":    {parallel.Config{FFmpeg: "ffmpeg"}, func(p *parallel.Params) { p.Channels = 6 }},
		"format":      {parallel.Config{FFmpeg: "ffmpeg"}, func(p *parallel.Params) { p.Format = "mulaw" }},
		"bitrate":     {parallel.Config{FFmpeg: "ffmpeg"}, func(p *parallel.Params) { p.Bitrate = 500_000 }},
		"quality":     {parallel.Config{FFmpeg: "ffmpeg"}, func(p *parallel.Params) { p.Bitrate, p.Quality = 0, 11 }},
	} {
		t.Run(name, func(t *testing.T) {
			p := stereo
			if tc.params != nil {
				tc.params(&p)
			}
			// PCM without end: a setting that passes would never return.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := parallel.Encode(ctx, tc.config, p, zeroes{}, scratch(t)); err == nil || ctx.Err() != nil {
				t.Errorf("not refused: %v", err)
			}
		})
	}
}

func TestDeadEncoderEndsTheEncode(t *testing.T) {
	for name, script := range map[string]string{
		"at once":      `echo "no such codec" >&2; exit 3`,
		"half way":     `head -c 3000000 | "$@"; echo "no such codec" >&2; exit 3`,
		"by a signal":  `head -c 3000000 | "$@"; echo "no such codec" >&2; kill -9 $$`,
		"but says yes": `echo "no such codec" >&2; head -c 3000000 | "$@"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := parallel.Config{Command: shell(t, script), Workers: 2, Piece: 2 * parallel.Period}
			_, err := parallel.Encode(t.Context(), cfg, stereo, zeroes{}, scratch(t))
			var dead *parallel.EncoderError
			if !errors.As(err, &dead) || !strings.Contains(dead.Stderr, "no such codec") {
				t.Errorf("%v, want an EncoderError with what it wrote", err)
			}
		})
	}
}

func TestEncoderThatIsNotThere(t *testing.T) {
	cfg := parallel.Config{FFmpeg: filepath.Join(t.TempDir(), "ffmpeg"), Workers: 2}
	if _, err := parallel.Encode(t.Context(), cfg, stereo, zeroes{}, scratch(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that it does not exist", err)
	}
}

// TestNoRoomIsAnError joins frames that are full, of the highest bitrate and made
// without reservoir, to frames that borrow.
func TestNoRoomIsAnError(t *testing.T) {
	p := stereo
	p.Bitrate = 320_000
	var once sync.Once
	command := shell(t, `exec "$@"`)
	cfg := parallel.Config{Workers: 2, Piece: parallel.Period, Command: func(ctx context.Context, args []string) *exec.Cmd {
		once.Do(func() {
			at := slices.Index(args, "libmp3lame") + 1
			args = slices.Insert(slices.Clone(args), at, "-reservoir", "0")
		})
		return command(ctx, args)
	}}
	pcm := f32le(noise(p.SampleRate, p.Channels, 20*p.SampleRate))
	if _, err := parallel.Encode(t.Context(), cfg, p, bytes.NewReader(pcm), scratch(t)); !errors.Is(err, parallel.ErrNoRoom) {
		t.Errorf("%v, want ErrNoRoom", err)
	}
}

func TestOutputErrorEndsTheEncode(t *testing.T) {
	out := scratch(t)
	out.Close()
	cfg := parallel.Config{FFmpeg: ffmpeg(t), Workers: 2, Piece: parallel.Period}
	if _, err := parallel.Encode(t.Context(), cfg, stereo, zeroes{}, out); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, want that the file is closed", err)
	}
}

// TestCancelLeavesNoProcess stops encodes whose encoders have children, and
// whose PCM comes from a pipe that says nothing.
func TestCancelLeavesNoProcess(t *testing.T) {
	silent, writer := io.Pipe()
	defer writer.Close()
	started := make(chan int, 2)
	command := shell(t, `exec 3<&0; "$@" <&3 3<&- & wait`)
	cfg := parallel.Config{
		Workers: 2, Piece: parallel.Period,
		Command: func(ctx context.Context, args []string) *exec.Cmd {
			cmd := command(ctx, args)
			kill := cmd.Cancel
			cmd.Cancel = func() error { started <- cmd.Process.Pid; return kill() }
			return cmd
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	cfg.Progress = func(int64) { cancel() } // by then encoders run
	// Some pieces come, then nothing.
	pcm := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(zeroes{}, 20*parallel.Period*1152*8), silent), silent}
	done := make(chan error, 1)
	go func() {
		_, err := parallel.Encode(ctx, cfg, stereo, pcm, scratch(t))
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still running after being cancelled")
	}
	close(started)
	n := 0
	for pid := range started {
		n++
		// Orphaned grandchildren are reaped by init, a moment later.
		deadline := time.Now().Add(10 * time.Second)
		for syscall.Kill(-pid, 0) == nil {
			if time.Now().After(deadline) {
				t.Fatalf("process group %d is still there", pid)
			}
			time.Sleep(time.Millisecond)
		}
	}
	if n == 0 {
		t.Error("no encoder had been started")
	}
}

// TestLateEncoderHoldsTheOthers makes the first encoder slow to start. The
// others must not pile up the rest of the music meanwhile, nor wait for ever.
func TestLateEncoderHoldsTheOthers(t *testing.T) {
	p := parallel.Params{SampleRate: 48000, Channels: 1, Format: "s16le", Bitrate: 64_000}
	var once sync.Once
	fast, slow := shell(t, `exec "$@"`), shell(t, `sleep 1; exec "$@"`)
	cfg := parallel.Config{Workers: 3, Piece: parallel.Period, Command: func(ctx context.Context, args []string) *exec.Cmd {
		cmd := fast(ctx, args)
		once.Do(func() { cmd = slow(ctx, args) })
		return cmd
	}}
	const samples = 120 * parallel.Period * 1152
	data, result := spliced(t, cfg, p, bytes.NewReader(make([]byte, 2*samples)))
	checkFile(t, data, result, samples)
}

// TestReadsNotFarAhead holds memory down: encoders that take nothing stop the
// reading after the buffers there are.
func TestReadsNotFarAhead(t *testing.T) {
	const workers = 2
	buffer := int64(3 * parallel.Period * 1152 * 8)
	c := &countingZeroes{enough: make(chan struct{}), limit: (workers + 1) * buffer}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		select {
		case <-c.enough:
		case <-time.After(20 * time.Second):
		}
		cancel()
	}()
	cfg := parallel.Config{Command: shell(t, `sleep 60`), Workers: workers, Piece: parallel.Period}
	if _, err := parallel.Encode(ctx, cfg, stereo, c, scratch(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if c.n > (workers+2)*buffer {
		t.Errorf("%d bytes read for buffers of %d", c.n, (workers+2)*buffer)
	}
}

type countingZeroes struct {
	n, limit int64
	enough   chan struct{}
}

func (c *countingZeroes) Read(p []byte) (int, error) {
	clear(p)
	if c.n < c.limit && c.n+int64(len(p)) >= c.limit {
		close(c.enough)
	}
	c.n += int64(len(p))
	return len(p), nil
}
