package ffmpeg

import (
	"context"
	"strconv"
	"time"

	"mp3converter/functions/converter/parallel"
	"mp3converter/shared/conversion"
)

// measure decodes a video whose header announces more than the maximum. It returns
// conversion.TooLong if the sound is that long too. Otherwise the sound decides: the plan is
// changed to its length. Decoding takes a tenth of the time of encoding.
func (r *conversionRun) measure(ctx context.Context) error {
	p := r.plan
	p.retimed = true
	args := append(progressArgs("error"), p.salvageArgs()...)
	args = append(args, r.input.args()...)
	args = append(args, "-map", "0:"+strconv.Itoa(p.audio.Index), "-vn", "-sn", "-dn")
	args = append(args, "-af", "asetpts=N/SR/TB")
	args = append(args, (&plan{}).limitArgs(r.MaxDuration)...)
	cmd := r.command(r.FFmpeg, append(args, "-f", "null", "-"))
	cmd.stdout = &progressWriter{sound: &r.sound}
	r.limitTime(cmd)
	if err := cmd.run(ctx); err != nil {
		return classifyError(err)
	}
	length := time.Duration(r.sound.Load())
	if length > r.MaxDuration {
		return conversion.TooLong
	}
	p.estimate = p.part(max(length, time.Millisecond)) // 0 would be unknown
	p.workers = parallel.WorkersFor(p.estimate, r.cores)
	return nil
}
