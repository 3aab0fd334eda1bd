package parallel_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mp3converter/functions/converter/parallel"
)

// BenchmarkEncode compares decoding and parallel encoding with one plain ffmpeg on the
// same file in the same run: x-wall and x-cpu are the ratios.
//
//	go test -run '^$' -bench Encode -benchtime 1x ./functions/converter/parallel
func BenchmarkEncode(b *testing.B) {
	for _, minutes := range []int{4, 10, 60} {
		b.Run(fmt.Sprintf("minutes=%d", minutes), func(b *testing.B) {
			in := aac(b, minutes)
			for _, workers := range []int{1, 2} {
				b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) { benchEncode(b, in, workers) })
			}
		})
	}
}

func benchEncode(b *testing.B, in string, workers int) {
	var wall, cpu, plainWall, plainCPU time.Duration
	for b.Loop() {
		w, c := measure(b, func() error {
			return exec.Command(ffmpeg(b), "-v", "error", "-nostdin", "-y", "-i", in, "-vn", "-b:a", "192k",
				filepath.Join(b.TempDir(), "plain.mp3")).Run()
		})
		plainWall, plainCPU = plainWall+w, plainCPU+c
		w, c = measure(b, func() error { return decodeAndEncode(b, in, workers) })
		wall, cpu = wall+w, cpu+c
	}
	b.ReportMetric(wall.Seconds()/float64(b.N), "wall-s")
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s")
	b.ReportMetric(wall.Seconds()/plainWall.Seconds(), "x-wall")
	b.ReportMetric(cpu.Seconds()/plainCPU.Seconds(), "x-cpu")
}

func decodeAndEncode(b *testing.B, in string, workers int) error {
	out, err := os.Create(filepath.Join(b.TempDir(), "parallel.mp3"))
	if err != nil {
		return err
	}
	defer out.Close()
	decode := exec.CommandContext(b.Context(), ffmpeg(b), "-v", "error", "-nostdin", "-i", in, "-vn", "-f", "f32le", "pipe:1")
	pcm, err := decode.StdoutPipe()
	if err != nil {
		return err
	}
	if err := decode.Start(); err != nil {
		return err
	}
	p := parallel.Params{SampleRate: 44100, Channels: 2, Format: "f32le", Bitrate: 192_000}
	if _, err := parallel.Encode(b.Context(), parallel.Config{Command: ffmpegCommand(b), Workers: workers}, p, pcm, out); err != nil {
		return err
	}
	return decode.Wait()
}

// measure returns the wall time of f, and the processor time of this process and of
// the children that ended during it.
func measure(b *testing.B, f func() error) (wall, cpu time.Duration) {
	b.Helper()
	start, used := time.Now(), processorTime()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start), processorTime() - used
}

func processorTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}

// aac makes an AAC file in an MP4 container, with chords, a voice and soft noise.
func aac(b *testing.B, minutes int) string {
	b.Helper()
	const sound = "0.2*sin(2*PI*220*t)*exp(-mod(t\\,0.5)*4)+0.15*sin(2*PI*(330+20*sin(t))*t)+0.05*random(0)*exp(-mod(t\\,0.25)*20)|" +
		"0.2*sin(2*PI*222*t)*exp(-mod(t\\,0.5)*3)+0.1*sin(2*PI*440*t)+0.05*random(1)"
	// One minute is generated and repeated, because generating is slower than encoding.
	dir := b.TempDir()
	minute, out := filepath.Join(dir, "minute.m4a"), filepath.Join(dir, "source.m4a")
	for _, args := range [][]string{
		{"-f", "lavfi", "-i", "aevalsrc=" + sound + ":s=44100:d=60", "-c:a", "aac", "-b:a", "160k", minute},
		{"-stream_loop", fmt.Sprint(minutes - 1), "-i", minute, "-c", "copy", out},
	} {
		if text, err := exec.Command(ffmpeg(b), append([]string{"-v", "error", "-nostdin", "-y"}, args...)...).CombinedOutput(); err != nil {
			b.Fatalf("ffmpeg: %v\n%s", err, text)
		}
	}
	return out
}
