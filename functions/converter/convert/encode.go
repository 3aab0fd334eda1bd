package convert

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mp3converter/shared/jobs"
)

// tags are carried over from the video to the MP3. Anything else that a video
// holds is about the video.
var tags = []string{"title", "artist", "album", "album_artist", "composer", "genre", "date", "track", "disc", "comment", "copyright", "language"}

// maxTag bounds the length of a tag in bytes.
const maxTag = 1000

// encode makes the MP3 at out.
func (a *attempt) encode(ctx context.Context, dir string, in *input, found *probe, out string) error {
	length := found.duration()
	args := append([]string{"-hide_banner", "-nostdin", "-v", "error", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5", "-threads", "1"}, in.args()...)
	args = append(args, "-map", "0:"+strconv.Itoa(found.audio.Index), "-vn", "-sn", "-dn", "-map_metadata", "-1")
	args = append(args, tagArgs(found, a.job.Title())...)
	args = append(args, "-c:a", "libmp3lame", "-b:a", strconv.Itoa(a.config.Bitrate)+"k")
	args = append(args, shape(found.audio)...)
	// One second more than allowed, so that too long can be told from cut.
	args = append(args, "-t", strconv.Itoa(int(a.config.MaxDuration.Seconds())+1))
	args = append(args, "-id3v2_version", "3", "-write_xing", "1", "-f", "mp3", "-y", out)

	run := a.program(a.config.FFmpeg, dir, in, args)
	run.stdout = &progressLines{total: length, set: func(p int64) { a.progress.Store(p) }}
	run.time = min(a.config.MaxTime, time.Minute+max(length, time.Minute))
	run.output = a.maxOutput(length)
	err := run.do(ctx)
	var ended *exitError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTime):
		return fmt.Errorf("%w: %w", jobs.TooSlow, err)
	case !errors.As(err, &ended), ended.mentions("No space left on device"), ended.killed():
		return err
	case ended.tooLarge():
		return fmt.Errorf("%w: %w", jobs.TooLarge, err)
	case ended.mentions("Decoder (codec"), ended.mentions("Could not find codec"), ended.mentions("Unknown decoder"):
		return fmt.Errorf("%w: %w", jobs.Unsupported, err)
	}
	return fmt.Errorf("%w: %w", jobs.Corrupt, err)
}

// maxOutput is twice what the MP3 should take, and room for its tags.
func (a *attempt) maxOutput(length time.Duration) uint64 {
	if length == 0 {
		length = a.config.MaxDuration
	}
	return 16<<20 + uint64(length.Seconds()*float64(a.config.Bitrate)*1000/8*2)
}

func tagArgs(found *probe, title string) []string {
	values := map[string]string{"title": title}
	for _, of := range []map[string]string{found.Format.Tags, found.audio.Tags} {
		for k, v := range of {
			if v = strings.TrimSpace(v); v != "" {
				values[strings.ToLower(k)] = v
			}
		}
	}
	var args []string
	for _, k := range tags {
		v := strings.ToValidUTF8(values[k], "")
		if v == "" || k == "language" && v == "und" {
			continue
		}
		if len(v) > maxTag {
			v = strings.ToValidUTF8(v[:maxTag], "")
		}
		args = append(args, "-metadata", k+"="+strings.ReplaceAll(v, "\x00", ""))
	}
	return args
}

// shape says what the MP3 cannot take over from the source: more than two
// channels, and other sample rates than the three of MPEG-1. The lower ones
// that MP3 also knows are left out: many players do not play them, and they
// do not reach the usual bitrates.
func shape(s *stream) []string {
	var args []string
	if s.Channels > 2 {
		args = append(args, "-ac", "2")
	}
	if rate := sampleRate(s.rate()); rate != s.rate() {
		args = append(args, "-ar", strconv.Itoa(rate))
	}
	return args
}

// sampleRate returns the rate of the same family, so that resampling is by a
// whole factor wherever it can be.
func sampleRate(rate int) int {
	switch {
	case rate%11025 == 0:
		return 44100
	case rate == 32000, rate == 16000, rate == 8000:
		return 32000
	}
	return 48000
}

// progressLines reads what ffmpeg writes for -progress.
type progressLines struct {
	total time.Duration
	set   func(percent int64)
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

// read takes a line; 100 percent is said only when the MP3 is stored.
func (p *progressLines) read(line string) {
	s, ok := strings.CutPrefix(line, "out_time_us=")
	if !ok || p.total <= 0 {
		return
	}
	if us, err := strconv.ParseInt(s, 10, 64); err == nil && us >= 0 {
		p.set(min(99, int64(float64(us)*1000/float64(p.total)*100)))
	}
}
