package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"mp3converter/functions/converter/parallel"
	"mp3converter/shared/conversion"
)

const (
	// quickSize is the largest video, in bytes, that is tried without a look at
	// it first. The MP3 may not be larger either.
	quickSize = 64 << 20
	// quickLength is how much of an MP3 fits into it at any bitrate.
	quickLength = 25 * time.Minute
)

// errNotSimple ends a quick conversion of a video that needs a plan.
var errNotSimple = errors.New("not a simple video")

// junk are tags that ffmpeg would carry over though they describe the video's
// container.
var junk = []string{"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time"}

// quick converts a short, ordinary video in one run of ffmpeg: to start a
// program of that size costs a fifth of such a conversion, so ffprobe is spared
// and what ffmpeg says of its input is read instead. It reports whether that
// went well. Whatever is unusual, or wrong, is left to the way with a plan,
// which then finds everything untouched.
func (a *attempt) quick(ctx context.Context, dir string, in *input, out string) (*conversion.MediaInfo, bool) {
	if a.job.Video.Size > quickSize || a.job.Options != (conversion.Options{}) {
		return nil, false
	}
	title := filepath.Join(dir, "title.txt")
	if err := os.WriteFile(title, titleFile(a.job.Title()), 0o600); err != nil {
		return nil, false
	}
	defer os.Remove(title)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var found *probe
	var whole atomic.Int64 // nanoseconds; 0 until ffmpeg has said it
	said := &banner{read: func(text []byte) {
		found = parseBanner(text)
		length := seconds(found.Format.Duration)
		// Several encoders do not come this way.
		if !found.simple() || length > quickLength || parallel.WorkersFor(length, a.cores()) > 1 {
			cancel(errNotSimple)
			return
		}
		whole.Store(int64(length))
	}}
	// Of two inputs ffmpeg reads each by a thread that hands over every packet,
	// which costs up to a tenth of the conversion. Size 0 is no thread; since
	// ffmpeg 6, which always has one, it is the default.
	args := append(reporting("info"), "-thread_queue_size", "0")
	args = append(args, in.args()...)
	args = append(args, "-protocol_whitelist", "file", "-format_whitelist", "ffmetadata", "-f", "ffmetadata", "-i", "file:"+title,
		"-map", "0:a:0", "-vn", "-sn", "-dn",
		// The first to set a tag wins: the video itself, then its file name.
		"-map_metadata:g", "0:g", "-map_metadata:g", "1:g", "-map_metadata:s", "-1")
	for _, k := range junk {
		args = append(args, "-metadata", k+"=")
	}
	args = append(args, "-c:a", "libmp3lame", "-b:a", strconv.Itoa(a.config.Bitrate)+"k",
		"-id3v2_version", "3", "-write_xing", "1", "-f", "mp3", "-y", out)
	run := a.program(a.config.FFmpeg, dir, in, args)
	run.stderr = said
	run.stdout = &progressLines{total: quickLength, set: func(part float64) {
		if length := whole.Load(); length > 0 {
			a.progress.Store(int64(99 * min(1, part*float64(quickLength)/float64(length))))
		}
	}}
	run.time, run.output = min(a.config.MaxTime, 2*time.Minute), quickSize
	if err := run.do(ctx); err != nil || !found.simple() {
		return nil, false
	}
	f, err := os.Open(out)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	// Shorter than the video may be right, but needs a closer look.
	length := seconds(found.Format.Duration)
	p := &plan{probe: found, expected: length}
	if p.verify(f, min(a.config.MaxDuration, length+tolerance(length))) != nil {
		return nil, false
	}
	return found.source(), true
}

// titleFile says the title to ffmpeg, in its own format.
func titleFile(title string) []byte {
	var b bytes.Buffer
	b.WriteString(";FFMETADATA1\ntitle=")
	for _, c := range []byte(clip(title)) {
		if slices.Contains([]byte("=;#\\\n"), c) {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// banner waits for the end of what ffmpeg says of its input.
type banner struct {
	text []byte
	done bool
	read func(text []byte)
}

// bannerBytes bounds it: a simple video is described in a few lines.
const bannerBytes = 16 << 10

func (b *banner) Write(p []byte) (int, error) {
	if b.done {
		return len(p), nil
	}
	b.text = append(b.text, p...)
	end := bytes.Index(b.text, []byte("\nInput #1"))
	if end >= 0 || len(b.text) > bannerBytes {
		b.done = true
		b.read(b.text[:max(end, 0)])
	}
	return len(p), nil
}

var _ io.Writer = (*banner)(nil)

// simple reports whether the defaults are right for the video: one sound track
// that is to be encoded as it is, and no tags but those that are wanted.
func (p *probe) simple() bool {
	if p == nil || p.audio == nil || seconds(p.Format.Duration) == 0 {
		return false
	}
	sounds := 0
	for _, s := range p.Streams {
		if s.Type == "audio" {
			sounds++
		}
	}
	for k := range p.Format.Tags {
		if !slices.Contains(tags, k) && !slices.Contains(junk, k) {
			return false
		}
	}
	return sounds == 1 && p.picture == nil && p.audio.Codec != "mp3" && !protected(p.audio.CodecTag) &&
		p.audio.rate() == sampleRate(p.audio.rate()) && (p.audio.Channels == 1 || p.audio.Channels == 2)
}
