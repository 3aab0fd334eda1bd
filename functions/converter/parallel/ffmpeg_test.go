package parallel_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

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

// spliced encodes PCM with Encode and returns the file.
func spliced(t *testing.T, c parallel.Config, p parallel.Params, pcm io.Reader) ([]byte, parallel.Result) {
	t.Helper()
	c.FFmpeg = ffmpeg(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "spliced.mp3"))
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

// serial encodes PCM with one ffmpeg, as Encode would, and returns the file.
func serial(t testing.TB, p parallel.Params, pcm []byte, args ...string) []byte {
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

// decoded is what ffmpeg plays: delay and padding are its to skip. It may not
// find anything to complain of.
func decoded(t testing.TB, data []byte) []float32 {
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

// musicFrames returns the frames behind the Info frame.
func musicFrames(t *testing.T, data []byte) [][]byte {
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
