package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mp3converter/shared/conversion"
)

const (
	// quickSize is the largest video, in bytes, that is converted without
	// ffprobe. The MP3 may not be larger either.
	quickSize = 64 << 20
	// quickLength is a duration whose MP3 fits into quickSize at any bitrate.
	quickLength = 25 * time.Minute
)

// errNotQuick cancels a quick conversion of a video that needs other arguments.
var errNotQuick = errors.New("not eligible for a quick conversion")

// convertQuick converts a short, ordinary video without ffprobe, and reports whether
// it wrote the MP3. Starting ffprobe would take a fifth of such a conversion. ffmpeg
// describes its first input on stderr before it opens the second one. The second
// input is a pipe for the tags of the MP3. While ffmpeg waits for them, convertQuick
// parses the description instead of ffprobe's output, checks the plan and writes the
// tags. After an error, or if the video is not ordinary, the caller must use
// convertPlanned.
func (r *conversionRun) convertQuick(ctx context.Context) bool {
	if r.size > quickSize || r.options != (conversion.Options{}) || announcesMore(r.input.head, r.size) {
		return false
	}
	tags, tagWriter, err := os.Pipe()
	if err != nil {
		return false
	}
	defer tags.Close()
	defer tagWriter.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	var found *probe
	var total atomic.Int64 // nanoseconds; 0 until the dump is parsed
	dump := &dumpCollector{parsed: func(p *probe, err error) {
		if err == nil {
			err = r.checkQuick(p)
		}
		if err != nil {
			cancel(err)
			return
		}
		found = p
		total.Store(int64(seconds(p.Format.Duration)))
		// This does not block: the buffer of a pipe is larger than the longest tags.
		if _, err := tagWriter.Write(ffmetadata(p.mp3Tags(r.options, r.title))); err != nil {
			cancel(err)
		}
		tagWriter.Close()
	}}
	cmd := r.command(r.FFmpeg, nil)
	cmd.args = r.quickArgs(3 + len(cmd.files))
	cmd.files = append(cmd.files, tags)
	cmd.stderr = dump
	cmd.stdout = &progressWriter{total: quickLength, set: func(done float64) {
		if length := total.Load(); length > 0 {
			r.progress(int(99 * min(1, done*float64(quickLength)/float64(length))))
		}
	}}
	cmd.timeout, cmd.output = min(r.MaxTime, 2*time.Minute), quickSize
	if err := cmd.run(ctx); err != nil || found == nil {
		return false
	}
	f, err := os.Open(r.out)
	if err != nil {
		return false
	}
	defer f.Close()
	// The audio may be shorter than the video, but only ffprobe can tell.
	length := seconds(found.Format.Duration)
	got, err := verifyMP3(f, min(r.MaxDuration, length+tolerance(length)))
	if err != nil || got < length-tolerance(length) {
		return false
	}
	r.mediaInfo = found.mediaInfo()
	return true
}

// quickArgs returns the arguments of encodeSerial for the plan that checkQuick
// requires. ffmpeg reads the tags from the pipe with descriptor tagsFD.
func (r *conversionRun) quickArgs(tagsFD int) []string {
	// Before ffmpeg 6, a second input makes ffmpeg read each input in its own
	// thread, which takes up to a tenth of the conversion; queue size 0 disables
	// these threads. Since ffmpeg 6, the threads cannot be disabled.
	args := append(progressArgs("info"), "-thread_queue_size", "0")
	args = append(args, r.input.args()...)
	// The description of the empty input 1 marks the end of the description of
	// input 0.
	args = append(args, "-protocol_whitelist", "data", "-format_whitelist", "ffmetadata", "-f", "ffmetadata", "-i", "data:text/plain,;FFMETADATA1",
		"-protocol_whitelist", "pipe", "-format_whitelist", "ffmetadata", "-f", "ffmetadata", "-i", fmt.Sprintf("pipe:%d", tagsFD),
		"-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata:g", "2:g", "-map_metadata:s", "-1",
		"-c:a", "libmp3lame", "-b:a", strconv.Itoa(r.Bitrate)+"k")
	args = append(args, (&plan{}).limitArgs(min(r.MaxDuration, quickLength+tolerance(quickLength)))...)
	return append(args, r.outputArgs()...)
}

// checkQuick returns an error if the plan for the video is not the one that
// quickArgs assumes: the only audio track, encoded by one encoder in its own
// sample rate and channels, without a picture.
func (r *conversionRun) checkQuick(found *probe) error {
	p, err := newPlan(found, r.options, r.Bitrate, r.cores)
	if err != nil {
		return err
	}
	length := seconds(found.Format.Duration)
	if length == 0 || length > quickLength || length > r.MaxDuration || len(found.mediaInfo().Tracks) != 1 || p.copied || p.workers != 1 ||
		p.picture != nil || p.rate != p.audio.rate() || p.channels != p.audio.Channels {
		return errNotQuick
	}
	for _, t := range found.mp3Tags(r.options, r.title) {
		// ffmpeg joins a line that ends in a backslash, even an escaped one, with
		// the next, and versions differ in what ends a line.
		if strings.ContainsAny(t.value, "\\\r\n") {
			return errNotQuick
		}
	}
	return nil
}

// dumpCollector collects ffmpeg's description of its first input.
type dumpCollector struct {
	text   []byte
	done   bool
	parsed func(*probe, error) // called once
}

// maxDump limits the description: that of an ordinary video has a few lines.
const maxDump = 16 << 10

func (d *dumpCollector) Write(p []byte) (int, error) {
	if d.done {
		return len(p), nil
	}
	d.text = append(d.text, p...)
	end := bytes.Index(d.text, []byte("\nInput #1"))
	if end >= 0 || len(d.text) > maxDump {
		d.done = true
		d.parsed(parseDump(d.text[:max(end+1, 0)]))
	}
	return len(p), nil
}
