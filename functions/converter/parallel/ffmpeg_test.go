package parallel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/parallel"
)

func ffmpeg(t testing.TB) string {
	t.Helper()
	bin, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("this test needs ffmpeg: run hack/deps.sh")
	}
	return bin
}

// ffmpegCommand returns a Config.Command that runs ffmpeg without a sandbox.
func ffmpegCommand(t testing.TB) func(context.Context, []string) *exec.Cmd {
	bin := ffmpeg(t)
	return func(ctx context.Context, args []string) *exec.Cmd { return groupCommand(ctx, bin, args...) }
}

// groupCommand returns a command whose process group is killed when ctx ends.
func groupCommand(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// encodeParallel encodes PCM with Encode and returns the file. It sets c.Command if it
// is nil.
func encodeParallel(t *testing.T, c parallel.Config, p parallel.Params, pcm io.Reader) ([]byte, parallel.Result) {
	t.Helper()
	if c.Command == nil {
		c.Command = ffmpegCommand(t)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "parallel.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r, err := parallel.Encode(t.Context(), c, p, pcm, out)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data, r
}

// encodeSerial encodes PCM with one ffmpeg and the same settings, and returns the file.
func encodeSerial(t testing.TB, p parallel.Params, pcm []byte, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "serial.mp3")
	argv := []string{"-v", "error", "-f", p.Format, "-ar", strconv.Itoa(p.SampleRate),
		"-ac", strconv.Itoa(p.Channels), "-i", "pipe:0", "-c:a", "libmp3lame"}
	if p.Bitrate > 0 {
		argv = append(argv, "-b:a", strconv.Itoa(p.Bitrate))
	} else {
		argv = append(argv, "-q:a", fmt.Sprint(p.Quality))
	}
	argv = append(append(argv, p.Args...), args...)
	cmd := exec.Command(ffmpeg(t), append(argv, "-id3v2_version", "0", "-y", out)...)
	cmd.Stdin = bytes.NewReader(pcm)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, b)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode decodes an MP3 with ffmpeg, which skips delay and padding. A warning fails the
// test.
func decode(t testing.TB, data []byte) []float32 {
	t.Helper()
	in := filepath.Join(t.TempDir(), "in.mp3")
	if err := os.WriteFile(in, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(ffmpeg(t), "-v", "warning", "-xerror", "-err_detect", "explode", "-f", "mp3", "-i", in, "-f", "f32le", "pipe:1")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("decoding: %v\n%s", err, stderr.Bytes())
	}
	return floats(out)
}

func floats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// audioFrames returns the frames after the Xing frame.
func audioFrames(t *testing.T, data []byte) [][]byte {
	t.Helper()
	var out [][]byte
	r := mp3.NewReader(bytes.NewReader(data))
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out[1:]
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, bytes.Clone(f.Data))
	}
}
