package ffmpeg

import "time"

const (
	// shortSound is how much sound a program may take time for before it has decoded any.
	shortSound = time.Minute
	// trustedLength is how much of the announced length counts before the sound is there.
	trustedLength = 10 * time.Minute
)

// limitTime limits a program that decodes. The limit depends on the sound that it has
// decoded so far: the length in the header of a malicious or unusual file may be wrong.
func (r *conversionRun) limitTime(cmd *command) {
	r.sound.Store(0)
	announced := r.plan.estimate
	cmd.extend = func() time.Duration { return r.timeout(announced) }
	cmd.timeout, cmd.longest = r.timeout(announced), r.MaxTime
}

// timeout returns a generous limit for the current pass: one core decodes and encodes a
// hundred times faster than real time. To reach the start of the part that was asked for,
// ffmpeg may have to decode what is before it. It is safe for concurrent use.
func (r *conversionRun) timeout(announced time.Duration) time.Duration {
	start := time.Duration(r.options.Start * float64(time.Second))
	done := start + time.Duration(r.sound.Load())
	return min(r.MaxTime, time.Minute+max(shortSound, done, min(announced, trustedLength)))
}
