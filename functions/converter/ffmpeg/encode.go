package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"mp3converter/shared/conversion"
)

// encode writes the MP3 in the cheapest way that the plan allows.
func (r *conversionRun) encode(ctx context.Context) error {
	loudness, err := r.loudnessFilter(ctx)
	if err != nil {
		return err
	}
	r.filters = r.plan.filterArgs(loudness)
	r.cover = r.findCover(ctx)
	if r.plan.copied {
		err := r.encodeSerial(ctx)
		if err == nil {
			err = r.verify(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		// A damaged stream can often still be decoded.
		slog.InfoContext(ctx, "MP3 stream cannot be copied, re-encoding it", "error", err)
		r.plan.copied = false
		r.filters = r.plan.filterArgs(loudness)
	}
	err = r.reencode(ctx)
	if r.cover.track != "" && errors.Is(err, conversion.Corrupt) {
		slog.InfoContext(ctx, "retrying without the cover", "error", err)
		r.cover = cover{}
		err = r.reencode(ctx)
	}
	return err
}

// reencode encodes the audio with the planned number of encoders.
func (r *conversionRun) reencode(ctx context.Context) error {
	encode := r.encodeSerial
	if r.plan.workers > 1 {
		encode = r.encodeParallel
	}
	if err := encode(ctx); err != nil {
		return err
	}
	return r.verify(ctx)
}

// encodeSerial decodes and encodes in one ffmpeg process.
func (r *conversionRun) encodeSerial(ctx context.Context) error {
	args := append(progressArgs("error"), r.plan.salvageArgs()...)
	args = append(args, r.plan.seekArgs()...)
	args = append(args, r.input.args()...)
	args = append(args, r.cover.input...)
	args = append(args, "-map", "0:"+strconv.Itoa(r.plan.audio.Index))
	args = append(args, r.cover.args()...)
	args = append(args, "-sn", "-dn")
	args = append(args, r.plan.tagArgs(r.title)...)
	args = append(args, r.filters...)
	args = append(args, r.plan.encoderArgs()...)
	args = append(args, r.plan.limitArgs(r.MaxDuration)...)
	args = append(args, r.outputArgs()...)

	cmd := r.command(r.FFmpeg, args)
	cmd.stdout = r.progressWriter(r.encodeStart(), 99)
	cmd.stderr = r.newComplaints()
	r.limitTime(cmd)
	cmd.output = r.plan.maxOutput(r.MaxDuration)
	return classifyError(cmd.run(ctx))
}

// outputArgs are the arguments that write the MP3.
func (r *conversionRun) outputArgs() []string {
	return []string{"-id3v2_version", "3", "-write_xing", "1", "-f", "mp3", "-y", r.out}
}

// commonArgs start every ffmpeg command. One thread is enough to decode and filter audio,
// and a thread for each core of a large machine takes memory.
func commonArgs(logLevel string) []string {
	return []string{"-hide_banner", "-nostdin", "-v", logLevel, "-filter_threads", "1", "-threads", "1"}
}

// progressArgs are commonArgs for a command whose progress is reported.
func progressArgs(logLevel string) []string {
	return append([]string{"-nostats", "-progress", "pipe:1", "-stats_period", "0.5"}, commonArgs(logLevel)...)
}

// classifyError returns a *conversion.Failure if the video cannot be converted,
// and the error itself if another attempt may succeed.
func classifyError(err error) error {
	var exit *exitError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTimeout):
		return fmt.Errorf("%w: %w", conversion.TimeLimit, err)
	case errors.Is(err, errOutOfMemory):
		return fmt.Errorf("%w: %w", conversion.MemoryLimit, err)
	case !errors.As(err, &exit), exit.mentions(noSpace), exit.killed():
		return err
	case exit.tooLarge():
		return fmt.Errorf("%w: %w", conversion.TooLarge, err)
	case exit.mentions("not on whitelist") && exit.mentions("Error while opening decoder"),
		exit.mentions("Decoder (codec"), exit.mentions("Could not find codec"), exit.mentions("Unknown decoder"):
		return fmt.Errorf("%w: %w", conversion.Unsupported, err)
	}
	return fmt.Errorf("%w: %w", conversion.Corrupt, err)
}
