package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	"mp3converter/shared/conversion"
)

// encodeParallel decodes in one ffmpeg process and encodes in several, by
// package parallel. The tags are written first.
func (r *conversionRun) encodeParallel(ctx context.Context) error {
	p := r.plan
	out, err := os.Create(r.out)
	if err != nil {
		return fmt.Errorf("create MP3: %w", err)
	}
	defer out.Close()
	if err := r.writeTags(ctx, out); err != nil {
		return err
	}
	pcm, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("pipe for PCM: %w", err)
	}
	defer pcm.Close()
	encodeCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	decoded := make(chan error, 1)
	go func() {
		decoded <- r.decode(encodeCtx, w)
		w.Close()
	}()
	start := r.encodeStart()
	config := parallel.Config{
		Workers: p.workers, Length: p.estimate, Command: r.encoderCommand,
		Progress: func(samples int64) {
			seconds := float64(samples) / float64(p.rate)
			r.sound.Store(int64(seconds * float64(time.Second)))
			if p.estimate > 0 {
				done := min(1, seconds/p.estimate.Seconds())
				r.progress(start + int(done*float64(99-start)))
			}
		},
	}
	params := parallel.Params{SampleRate: p.rate, Channels: p.channels, Format: r.pcmFormat(), Bitrate: p.bitrate * 1000}
	if p.options.Quality != nil && p.bitrate == 0 {
		params.Quality = float64(*p.options.Quality)
	}
	_, encodeErr := parallel.Encode(encodeCtx, config, params, pcm, out)
	encodeErr = encoderFailure(encodeErr)
	cancel()
	// If the decoder failed, its error is the cause, not that its pipe broke. If
	// an encoder failed, the decoder's error is only the consequence.
	decodeErr := <-decoded
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case decodeErr != nil && (encodeErr == nil || errors.Is(encodeErr, parallel.ErrIncomplete)):
		return classifyError(decodeErr)
	case errors.Is(encodeErr, errTimeout):
		return classifyError(encodeErr)
	case encodeErr != nil && !temporary(encodeErr):
		// The segments cannot be spliced, or the encoders fail on this audio.
		slog.InfoContext(ctx, "cannot encode in parallel, encoding serially", "error", encodeErr)
		return r.encodeSerial(ctx)
	case encodeErr != nil:
		return fmt.Errorf("encode in parallel: %w", encodeErr)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write MP3: %w", err)
	}
	return nil
}

// encoderFailure returns the failure of an encoder as that of any other program.
func encoderFailure(err error) error {
	var encoder *parallel.EncoderError
	var exit *exec.ExitError
	if errors.As(err, &encoder) && errors.As(encoder.Err, &exit) {
		return (&exitError{exit, encoder.Stderr}).orLimit()
	}
	return err
}

// temporary reports whether an error of package parallel has nothing to do with the
// audio: an encoder could not be started or was killed, or the MP3 could not be written.
func temporary(err error) bool {
	var path *fs.PathError
	var call *os.SyscallError
	return errors.Is(err, ErrKilled) || errors.As(err, &path) || errors.As(err, &call)
}

// pcmFormat is the format that holds the output of the decoder or the filters
// without loss.
func (r *conversionRun) pcmFormat() string {
	switch format := strings.TrimSuffix(r.plan.audio.SampleFmt, "p"); {
	case r.filters != nil:
		return "f32le"
	case format == "u8", format == "s16":
		return "s16le"
	case format == "s32":
		return "s32le"
	}
	return "f32le"
}

// decode writes the audio to w as PCM.
func (r *conversionRun) decode(ctx context.Context, w *os.File) error {
	p, format := r.plan, r.pcmFormat()
	args := append(commonArgs("error"), p.salvageArgs()...)
	args = append(args, p.seekArgs()...)
	args = append(args, r.input.args()...)
	args = append(args, "-map", "0:"+strconv.Itoa(p.audio.Index), "-vn", "-sn", "-dn")
	args = append(args, r.filters...)
	args = append(args, "-ac", strconv.Itoa(p.channels), "-ar", strconv.Itoa(p.rate))
	args = append(args, p.limitArgs(r.MaxDuration)...)
	// Without -flush_packets 0, a write per packet would double the cost.
	args = append(args, "-c:a", "pcm_"+format, "-flush_packets", "0", "-f", format, "pipe:1")
	cmd := r.command(r.FFmpeg, args)
	cmd.stdout = w
	cmd.stderr, cmd.memory = r.newComplaints(), r.memory.Decoder
	r.limitTime(cmd)
	return cmd.run(ctx)
}

// encoderCommand returns the command of an encoder, in a sandbox whose only
// input is its pipe.
func (r *conversionRun) encoderCommand(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.FFmpeg, args...)
	cmd.Dir, cmd.Env = r.dir, environment()
	err := sandbox.Wrap(cmd, sandbox.Policy{
		Dir: r.dir, Memory: r.memory.Encoder, CPU: r.MaxTime + time.Minute, Required: r.Sandbox == sandboxRequired,
	})
	if err != nil {
		cmd.Err = err
	}
	return cmd
}

// writeTags writes an ID3v2 tag with text, chapters and picture to out. ffmpeg
// creates it as part of a short silent MP3.
func (r *conversionRun) writeTags(ctx context.Context, out io.Writer) error {
	p, path := r.plan, filepath.Join(r.dir, "tags.mp3")
	args := append(commonArgs("error"), p.seekArgs()...)
	args = append(args, r.input.args()...)
	args = append(args, r.cover.input...)
	silence := 1
	if r.cover.input != nil {
		silence = 2
	}
	args = append(args, "-f", "lavfi", "-i", "anullsrc=d=0.1", "-map", strconv.Itoa(silence)+":a")
	args = append(args, r.cover.args()...)
	args = append(args, p.tagArgs(r.title)...)
	args = append(args, p.limitArgs(r.MaxDuration)...)
	args = append(args, "-c:a", "libmp3lame", "-id3v2_version", "3", "-write_xing", "0", "-f", "mp3", "-y", path)
	cmd := r.command(r.FFmpeg, args)
	cmd.timeout, cmd.output = probeTimeout, p.maxOutput(r.MaxDuration)
	if err := cmd.run(ctx); err != nil {
		return classifyError(err)
	}
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: ffmpeg wrote no tags: %w", conversion.Corrupt, err)
	case err != nil:
		return fmt.Errorf("tags: %w", err)
	}
	defer os.Remove(path)
	defer f.Close()
	head := make([]byte, 10)
	if _, err := io.ReadFull(f, head); err != nil {
		return fmt.Errorf("%w: tags: %w", conversion.Corrupt, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	if _, err := io.CopyN(out, f, mp3.ID3v2Size(head)); err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	return nil
}
