package worker

import (
	"strconv"
	"time"

	"mp3converter/functions/converter/parallel"
	"mp3converter/shared/conversion"
)

// plan is how one MP3 is to be made: what was found and what was wished for,
// put together.
type plan struct {
	*probe
	options conversion.Options

	copied   bool          // the sound is MP3 already and is taken as it is
	expected time.Duration // of the MP3; 0 if nothing reliable says so
	about    time.Duration // the best guess at it, for limits and progress
	rate     int           // samples a second
	channels int
	bitrate  int // kbit/s; 0 is variable
	workers  int // encoders at the same time
}

// newPlan decides everything that the probe's answer can decide.
func newPlan(found *probe, options conversion.Options, bitrate, cores int) (*plan, error) {
	p := &plan{
		probe: found, options: options, expected: found.expected(), about: found.duration(),
		rate: options.SampleRate, channels: options.Channels, bitrate: options.Bitrate,
	}
	if options.Start != 0 || options.End != 0 {
		start, end := time.Duration(options.Start*1e9), time.Duration(options.End*1e9)
		if p.about > 0 && start >= p.about {
			return nil, conversion.OutOfRange
		}
		p.about = part(p.about, start, end)
		if p.expected > 0 { // else the end that was asked for may lie behind the video's
			p.expected = part(p.expected, start, end)
		}
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
	p.workers = parallel.WorkersFor(p.about, cores)
	return p, nil
}

// part is how much of a length lies between start and end. Of an unknown length,
// which is 0, it is what was asked for.
func part(length, start, end time.Duration) time.Duration {
	if length == 0 {
		return max(0, end-start)
	}
	if end == 0 || end > length {
		end = length
	}
	return max(0, end-start)
}

// sampleRate returns the rate of MPEG-1 that is of the same family, so that
// resampling is by a whole factor wherever it can be. The lower rates that MP3
// also has are taken only when asked for: many players do not know them, and
// they do not reach the usual bitrates.
func sampleRate(rate int) int {
	switch {
	case rate%11025 == 0:
		return 44100
	case rate == 32000, rate == 16000, rate == 8000:
		return 32000
	}
	return 48000
}

// seek are the options in front of the input that skip to the beginning.
func (p *plan) seek() []string {
	if p.options.Start == 0 {
		return nil
	}
	return []string{"-ss", strconv.FormatFloat(p.options.Start, 'f', 3, 64)}
}

// limit are the options behind it that stop at the end: that of the part, or
// one second more than is allowed, so that too long can be told from cut.
func (p *plan) limit(maximum time.Duration) []string {
	seconds := maximum.Seconds() + 1
	if p.options.End != 0 {
		seconds = min(seconds, p.options.End-p.options.Start)
	}
	return []string{"-t", strconv.FormatFloat(seconds, 'f', 3, 64)}
}

// encoder are LAME's options.
func (p *plan) encoder() []string {
	if p.copied {
		return []string{"-c:a", "copy"}
	}
	args := []string{"-c:a", "libmp3lame", "-ac", strconv.Itoa(p.channels), "-ar", strconv.Itoa(p.rate)}
	if p.bitrate > 0 {
		return append(args, "-b:a", strconv.Itoa(p.bitrate)+"k")
	}
	return append(args, "-q:a", strconv.Itoa(*p.options.Quality))
}

// maxOutput is twice what the MP3 should take, and room for its tags and cover.
func (p *plan) maxOutput(maximum time.Duration) uint64 {
	length, bitrate := p.about, p.bitrate
	if length == 0 {
		length = maximum
	}
	if bitrate == 0 || p.copied {
		bitrate = 320
	}
	return 32<<20 + uint64(length.Seconds()*float64(bitrate)*1000/8*2)
}
