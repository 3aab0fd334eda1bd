package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mp3converter/shared/conversion"
	"os"
	"strconv"
	"strings"
	"time"
)

// encode makes the MP3 at out, in the cheapest way that the plan allows.
func (a *attempt) encode(ctx context.Context, dir string, in *input, p *plan, out string) error {
	filters, err := a.filters(ctx, dir, in, p)
	if err != nil {
		return err
	}
	picture := a.cover(ctx, dir, in, p)
	if p.copied {
		err := a.serial(ctx, dir, in, p, picture, nil, out)
		if err == nil {
			err = a.check(out, p)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		// A damaged stream may still decode.
		slog.InfoContext(ctx, "MP3 cannot be copied, encoding it", "error", err)
		p.copied = false
	}
	err = a.anew(ctx, dir, in, p, picture, filters, out)
	if picture.track != "" && errors.Is(err, conversion.Corrupt) {
		slog.InfoContext(ctx, "trying without the picture", "error", err)
		err = a.anew(ctx, dir, in, p, cover{}, filters, out)
	}
	return err
}

// anew encodes the sound, by as many encoders as are planned.
func (a *attempt) anew(ctx context.Context, dir string, in *input, p *plan, picture cover, filters []string, out string) error {
	encode := a.serial
	if p.workers > 1 {
		encode = a.parallel
	}
	if err := encode(ctx, dir, in, p, picture, filters, out); err != nil {
		return err
	}
	return a.check(out, p)
}

// serial lets one ffmpeg do it all.
func (a *attempt) serial(ctx context.Context, dir string, in *input, p *plan, picture cover, filters []string, out string) error {
	args := append(reporting("error"), p.seek()...)
	args = append(args, in.args()...)
	args = append(args, picture.input...)
	args = append(args, "-map", "0:"+strconv.Itoa(p.audio.Index))
	args = append(args, picture.args()...)
	args = append(args, "-sn", "-dn")
	args = append(args, p.tagArgs(a.job.Title())...)
	args = append(args, filters...)
	args = append(args, p.encoder()...)
	args = append(args, p.limit(a.config.MaxDuration)...)
	args = append(args, "-id3v2_version", "3", "-write_xing", "1", "-f", "mp3", "-y", out)

	run := a.program(a.config.FFmpeg, dir, in, args)
	run.stdout = a.progressOf(p, a.progressFloor(p), 99)
	run.time = a.timeLimit(p)
	run.output = p.maxOutput(a.config.MaxDuration)
	return ffmpegFailure(run.do(ctx))
}

// common are the options that every run of ffmpeg begins with. One thread is
// enough to decode sound.
func common(level string) []string {
	return []string{"-hide_banner", "-nostdin", "-v", level, "-threads", "1"}
}

// reporting are those of a run whose progress is watched.
func reporting(level string) []string {
	return append([]string{"-nostats", "-progress", "pipe:1", "-stats_period", "0.5"}, common(level)...)
}

// timeLimit is generous: ffmpeg is a hundred times as fast as the music, on one
// core.
func (a *attempt) timeLimit(p *plan) time.Duration {
	return min(a.config.MaxTime, time.Minute+max(p.about, time.Minute))
}

// ffmpegFailure tells what a failure of ffmpeg means: a *conversion.Failure where it
// is the video's fault, the error itself where another attempt may help.
func ffmpegFailure(err error) error {
	var ended *exitError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTime):
		return fmt.Errorf("%w: %w", conversion.TimeLimit, err)
	case !errors.As(err, &ended), ended.mentions("No space left on device"), ended.killed():
		return err
	case ended.tooLarge():
		return fmt.Errorf("%w: %w", conversion.TooLarge, err)
	case ended.mentions("Decoder (codec"), ended.mentions("Could not find codec"), ended.mentions("Unknown decoder"):
		return fmt.Errorf("%w: %w", conversion.Unsupported, err)
	}
	return fmt.Errorf("%w: %w", conversion.Corrupt, err)
}

// progressFloor is where encoding begins to count: measuring came before.
func (a *attempt) progressFloor(p *plan) int64 {
	if p.options.Normalize {
		return 40
	}
	return 0
}

func (a *attempt) progressOf(p *plan, from, to int64) *progressLines {
	return &progressLines{total: p.about, set: func(part float64) {
		a.progress.Store(from + int64(part*float64(to-from)))
	}}
}

// progressLines reads what ffmpeg writes for -progress.
type progressLines struct {
	total time.Duration
	set   func(part float64) // 0 to 1
	line  []byte
}

func (p *progressLines) Write(b []byte) (int, error) {
	for _, c := range b {
		switch {
		case c == '\n':
			p.read(string(p.line))
			p.line = p.line[:0]
		case len(p.line) < 200:
			p.line = append(p.line, c)
		}
	}
	return len(b), nil
}

func (p *progressLines) read(line string) {
	s, ok := strings.CutPrefix(line, "out_time_us=")
	if !ok || p.total <= 0 {
		return
	}
	if us, err := strconv.ParseInt(s, 10, 64); err == nil && us >= 0 {
		p.set(min(1, float64(us)*1000/float64(p.total)))
	}
}

// check makes sure that ffmpeg's success is one: it ends with 0 also when the
// video stops in the middle.
func (a *attempt) check(path string, p *plan) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: ffmpeg left no MP3: %w", conversion.Corrupt, err)
	}
	defer f.Close()
	return p.verify(f, a.config.MaxDuration)
}
