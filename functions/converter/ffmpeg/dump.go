package ffmpeg

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	dumpInput    = regexp.MustCompile(`^Input #0, (\S+), from '`)
	dumpDuration = regexp.MustCompile(`^  Duration: (\d+:\d\d:\d\d\.\d\d),`)
	dumpStream   = regexp.MustCompile(`^(?:  )?  Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\((\w+)\))?: (Audio|Video|Subtitle|Data|Attachment): ([^\s,]+)(.*)$`)
	dumpCodecTag = regexp.MustCompile(`\((\S{4}) / 0x[0-9A-F]{8}\)`)
	dumpAudio    = regexp.MustCompile(`(?:^|,) (\d+) Hz, (mono|stereo), (\w+)`)
	dumpTag      = regexp.MustCompile(`^ {4}(?:  )?(\S+)( *): (.*)$`)
)

// withoutLanguage are the formats whose demuxer has no tag "language" for the
// whole file.
var withoutLanguage = []string{"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "ogg", "mpegts"}

// errUnusualDump says that ffprobe might tell more than the dump does.
var errUnusualDump = errors.New("ffmpeg's stream dump is not fully understood")

// parseDump parses ffmpeg's description of its first input, which begins
// "Input #0", into what ffprobe would have said. It accepts only what it can
// read without loss.
func parseDump(text []byte) (*probe, error) {
	p := &probe{}
	var tags map[string]string // of the section that the line is in; nil if they do not matter
	skipping := false          // indented lines of this section are ignored
	for line := range strings.Lines(string(text)) {
		line, complete := strings.CutSuffix(line, "\n")
		input := dumpInput.FindStringSubmatch(line)
		duration := dumpDuration.FindStringSubmatch(line)
		stream := dumpStream.FindStringSubmatch(line)
		switch {
		case !complete:
			return nil, errUnusualDump
		case input != nil && p.Format.Name == "":
			p.Format.Name = input[1]
			p.Format.Tags = map[string]string{}
			tags = p.Format.Tags
		case input != nil:
			return nil, errUnusualDump
		case p.Format.Name == "": // messages of the demuxer
		case duration != nil:
			p.Format.Duration = strconv.FormatFloat(clock(duration[1]).Seconds(), 'f', 2, 64)
			tags, skipping = nil, true
		case stream != nil:
			s, err := parseDumpStream(stream)
			if err != nil {
				return nil, err
			}
			p.Streams = append(p.Streams, s)
			tags, skipping = nil, s.Type != "audio"
			if s.Type == "audio" {
				tags = s.Tags
			}
		case line == "  Chapters:", strings.HasPrefix(line, "  Program "), line == "  No Program":
			tags, skipping = nil, true
		case strings.HasPrefix(line, "    Side data:"):
			tags, skipping = nil, true
		case skipping && strings.HasPrefix(line, "    "):
		case line == "  Metadata:", line == "    Metadata:":
		case tags == nil || !addDumpTag(tags, line):
			return nil, errUnusualDump
		}
	}
	if len(p.Streams) == 0 {
		return nil, errUnusualDump
	}
	if err := p.selectStreams(""); err != nil {
		return nil, err
	}
	// The dump omits the file's tag "language". This does not matter if the audio
	// track has one, or if a file of this format cannot have one.
	if p.audio.Tags["language"] == "" && !slices.Contains(withoutLanguage, p.Format.Name) {
		return nil, errUnusualDump
	}
	return p, nil
}

// addDumpTag adds the tag in the line and reports whether it was read without
// loss. Keys are padded to 16 bytes; values are cut at 255 bytes, continue on
// lines without a key, and have '?' in place of control characters.
func addDumpTag(tags map[string]string, line string) bool {
	m := dumpTag.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	key, padding, value := m[1], m[2], m[3]
	if _, repeated := tags[key]; repeated || len(key)+len(padding) != max(16, len(key)) || len(value) >= 255 || strings.ContainsAny(value, "?") {
		return false
	}
	tags[key] = value
	return true
}

func parseDumpStream(m []string) (stream, error) {
	s := stream{Type: strings.ToLower(m[3]), Codec: m[4], Tags: map[string]string{}}
	details := m[5]
	index, err := strconv.Atoi(m[1])
	if err != nil {
		return s, errUnusualDump
	}
	s.Index = index
	if m[2] != "" {
		s.Tags["language"] = m[2]
	}
	if t := dumpCodecTag.FindStringSubmatch(details); t != nil {
		s.CodecTag = t[1]
	}
	if strings.Contains(details, "(default)") {
		s.Disposition.Default = 1
	}
	if strings.Contains(details, "(attached pic)") {
		s.Disposition.AttachedPicture = 1
	}
	if s.Type == "audio" {
		a := dumpAudio.FindStringSubmatch(details)
		if a == nil {
			return s, errUnusualDump
		}
		s.SampleRate, s.SampleFmt = a[1], a[3]
		s.Channels = map[string]int{"mono": 1, "stereo": 2}[a[2]]
	}
	return s, nil
}
