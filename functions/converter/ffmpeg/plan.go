package ffmpeg

import (
	"strconv"
	"time"

	"mp3converter/functions/converter/parallel"
	"mp3converter/shared/conversion"
)

// plan combines the probe and the options into the parameters of the MP3.
type plan struct {
	*probe
	options conversion.Options

	copied   bool          // the audio is MP3 already and is copied
	expected time.Duration // duration of the MP3; 0 if it is not known reliably
	estimate time.Duration // estimated duration of the MP3, for limits and progress; 0 if unknown
	rate     int           // samples per second
	channels int
	bitrate  int  // kbit/s; 0 means variable
	workers  int  // concurrent encoders
	retimed  bool // the sound is timed by its samples, not by the timestamps of the container
	counted  bool // so is the start: it is after the announced end, where seeking is unreliable
}

// newPlan returns the plan for a video, or an error if the options cannot be applied.
func newPlan(found *probe, options conversion.Options, bitrate, cores int) (*plan, error) {
	p := &plan{
		probe: found, options: options, expected: found.expected(), estimate: found.duration(),
		rate: options.SampleRate, channels: options.Channels, bitrate: options.Bitrate,
	}
	p.estimate = p.part(p.estimate)
	if p.expected > 0 { // otherwise the requested end may be after the end of the video
		p.expected = p.part(p.expected)
	}
	if p.rate == 0 {
		p.rate = sampleRate(found.audio.rate())
	}
	if p.channels == 0 {
		p.channels = min(found.audio.Channels, 2)
	}
	if p.bitrate == 0 && options.Quality == nil {
		p.bitrate = bitrate
	}
	p.copied = found.audio.Codec == "mp3" && !options.Reencodes()
	p.workers = parallel.WorkersFor(p.estimate, cores)
	p.counted = options.Start != 0 && found.duration() > 0 && options.Start >= found.duration().Seconds()
	p.retimed = options.Salvage || p.counted
	return p, nil
}

// part returns how much of a video of that length the options ask for. A length of 0 is
// unknown.
func (p *plan) part(length time.Duration) time.Duration {
	return clipDuration(length, time.Duration(p.options.Start*1e9), time.Duration(p.options.End*1e9))
}

// clipDuration returns the duration of the part of a video between start and end. A
// length of 0 is unknown and does not limit the result.
func clipDuration(length, start, end time.Duration) time.Duration {
	if length == 0 {
		return max(0, end-start)
	}
	if end == 0 || end > length {
		end = length
	}
	return max(0, end-start)
}

// sampleRate returns the MPEG-1 sample rate of the same family, so that
// resampling is by an integer factor where possible. The lower rates of MPEG-2
// are used only on request: many players do not support them, and they do not
// allow the usual bitrates.
func sampleRate(rate int) int {
	switch {
	case rate%11025 == 0:
		return 44100
	case rate == 32000, rate == 16000, rate == 8000:
		return 32000
	}
	return 48000
}

// seekArgs returns the arguments, placed before the input, that seek to the start.
func (p *plan) seekArgs() []string {
	if p.options.Start == 0 || p.counted {
		return nil
	}
	return []string{"-ss", strconv.FormatFloat(p.options.Start, 'f', 3, 64)}
}

// limitArgs returns the arguments, placed after the input, that stop at the requested
// end. If there is none, they allow one second more than the maximum, so that verify
// can detect a video that is too long.
func (p *plan) limitArgs(maximum time.Duration) []string {
	return []string{"-t", strconv.FormatFloat(p.longest(maximum), 'f', 3, 64)}
}

// longest returns how many seconds the MP3 may have, whatever the header announces.
func (p *plan) longest(maximum time.Duration) float64 {
	seconds := maximum.Seconds() + 1
	if p.options.End != 0 {
		seconds = min(seconds, p.options.End-p.options.Start)
	}
	return seconds
}

// encoderArgs returns the arguments that select the encoder and its parameters.
func (p *plan) encoderArgs() []string {
	if p.copied {
		return []string{"-c:a", "copy"}
	}
	args := []string{"-c:a", "libmp3lame", "-ac", strconv.Itoa(p.channels), "-ar", strconv.Itoa(p.rate)}
	if p.bitrate > 0 {
		return append(args, "-b:a", strconv.Itoa(p.bitrate)+"k")
	}
	return append(args, "-q:a", strconv.Itoa(*p.options.Quality))
}

// maxOutput returns twice the size of the longest MP3, plus space for tags and cover.
func (p *plan) maxOutput(maximum time.Duration) uint64 {
	bitrate := p.bitrate
	if bitrate == 0 || p.copied {
		bitrate = 320
	}
	return 32<<20 + uint64(p.longest(maximum)*float64(bitrate)*1000/8*2)
}
