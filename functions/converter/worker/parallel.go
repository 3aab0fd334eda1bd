package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/parallel"
	"mp3converter/functions/converter/sandbox"
)

// parallel decodes in one ffmpeg and encodes in several: package parallel cuts
// the sound and joins the MP3. In front of it go the tags.
func (a *attempt) parallel(ctx context.Context, dir string, in *input, p *plan, picture cover, filters []string, path string) error {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create MP3: %w", err)
	}
	defer out.Close()
	if err := a.writeTags(ctx, dir, in, p, picture, out); err != nil {
		return err
	}
	pcm, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("pipe for the sound: %w", err)
	}
	defer pcm.Close()
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	decoded := make(chan error, 1)
	go func() {
		decoded <- a.decode(working, dir, in, p, filters, w)
		w.Close()
	}()
	floor := a.progressFloor(p)
	config := parallel.Config{
		Workers: p.workers, Length: p.about, Command: a.encoderCommand(dir, p),
		Progress: func(samples int64) {
			if p.about > 0 {
				done := min(1, float64(samples)/float64(p.rate)/p.about.Seconds())
				a.progress.Store(floor + int64(done*float64(99-floor)))
			}
		},
	}
	params := parallel.Params{SampleRate: p.rate, Channels: p.channels, Format: p.pcm(filters), Bitrate: p.bitrate * 1000}
	if p.options.Quality != nil && p.bitrate == 0 {
		params.Quality = float64(*p.options.Quality)
	}
	_, encodeErr := parallel.Encode(working, config, params, pcm, out)
	cancel()
	// The decoder's own failure tells more than that its pipe broke; and a
	// decoder that was cut off by a failed encoder tells nothing.
	decodeErr := <-decoded
	switch {
	case decodeErr != nil && (encodeErr == nil || errors.Is(encodeErr, parallel.ErrNoAudio)):
		return ffmpegFailure(decodeErr)
	case errors.Is(encodeErr, parallel.ErrNoSplicePoint):
		// Never seen, but nothing says that it cannot be.
		slog.InfoContext(ctx, "pieces cannot be joined, encoding them as one", "error", encodeErr)
		return a.serial(ctx, dir, in, p, picture, filters, path)
	case encodeErr != nil:
		return fmt.Errorf("encode in parallel: %w", encodeErr)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write MP3: %w", err)
	}
	return nil
}

// pcm is the format that loses nothing of what the decoder or the filters put
// out.
func (p *plan) pcm(filters []string) string {
	switch format := strings.TrimSuffix(p.audio.SampleFmt, "p"); {
	case filters != nil:
		return "f32le"
	case format == "u8", format == "s16":
		return "s16le"
	case format == "s32":
		return "s32le"
	}
	return "f32le"
}

// decode writes the sound to w.
func (a *attempt) decode(ctx context.Context, dir string, in *input, p *plan, filters []string, w *os.File) error {
	format := p.pcm(filters)
	args := append(common("error"), p.seek()...)
	args = append(args, in.args()...)
	args = append(args, "-map", "0:"+strconv.Itoa(p.audio.Index), "-vn", "-sn", "-dn")
	args = append(args, filters...)
	args = append(args, "-ac", strconv.Itoa(p.channels), "-ar", strconv.Itoa(p.rate))
	args = append(args, p.limit(a.config.MaxDuration)...)
	// In large writes: one for each packet would double the cost of decoding.
	args = append(args, "-c:a", "pcm_"+format, "-flush_packets", "0", "-f", format, "pipe:1")
	run := a.program(a.config.FFmpeg, dir, in, args)
	run.stdout = w
	run.time = a.timeLimit(p)
	return run.do(ctx)
}

// encoderCommand starts an encoder in a sandbox that has no input but its pipe.
func (a *attempt) encoderCommand(dir string, p *plan) func(context.Context, []string) *exec.Cmd {
	return func(ctx context.Context, args []string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, a.config.FFmpeg, args...)
		cmd.Dir, cmd.Env = dir, []string{"LC_ALL=C"}
		err := sandbox.Wrap(cmd, sandbox.Policy{Dir: dir, Memory: a.config.MaxMemory, CPU: a.timeLimit(p) + time.Minute})
		if err != nil {
			cmd.Err = err
		}
		return cmd
	}
}

// writeTags puts an ID3v2 tag with text, chapters and picture at the beginning
// of out: ffmpeg makes it, in front of an instant of silence.
func (a *attempt) writeTags(ctx context.Context, dir string, in *input, p *plan, picture cover, out io.Writer) error {
	path := filepath.Join(dir, "tags.mp3")
	args := append(common("error"), p.seek()...)
	args = append(args, in.args()...)
	args = append(args, picture.input...)
	silence := 1
	if picture.input != nil {
		silence = 2
	}
	args = append(args, "-f", "lavfi", "-i", "anullsrc=d=0.1", "-map", strconv.Itoa(silence)+":a")
	args = append(args, picture.args()...)
	args = append(args, p.tagArgs(a.job.Title())...)
	args = append(args, p.limit(a.config.MaxDuration)...)
	args = append(args, "-c:a", "libmp3lame", "-id3v2_version", "3", "-write_xing", "0", "-f", "mp3", "-y", path)
	run := a.program(a.config.FFmpeg, dir, in, args)
	run.time, run.output = probeTime, p.maxOutput(a.config.MaxDuration)
	if err := run.do(ctx); err != nil {
		return ffmpegFailure(err)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	defer os.Remove(path)
	defer f.Close()
	head := make([]byte, 10)
	if _, err := io.ReadFull(f, head); err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	if _, err := io.CopyN(out, f, mp3.ID3v2Size(head)); err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	return nil
}
