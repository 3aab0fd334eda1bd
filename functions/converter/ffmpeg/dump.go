package ffmpeg

import (
	"errors"
	"regexp"
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

// errUnusualDump means that the dump may lack information that ffprobe would return.
var errUnusualDump = errors.New("ffmpeg's stream dump is not fully understood")

// parseDump parses ffmpeg's description of its first input, which begins
// "Input #0", and returns the same result as ffprobe. It accepts only dumps that
// it can parse without loss.
func parseDump(text []byte) (*probe, error) {
	p := &probe{}
	var tags map[string]string // of the current section; nil if they are not needed
	details := false           // the line belongs to a nested description
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
			tags, details = nil, true
		case stream != nil:
			s, err := parseDumpStream(stream)
			if err != nil {
				return nil, err
			}
			p.Streams = append(p.Streams, s)
			tags, details = nil, s.Type != "audio"
			if s.Type == "audio" {
				tags = s.Tags
			}
		case line == "  Chapters:", strings.HasPrefix(line, "  Program "), line == "  No Program":
			tags, details = nil, true
		case strings.HasPrefix(line, "    Side data:"):
			tags, details = nil, true
		case details && strings.HasPrefix(line, "    "):
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
	// The dump never lists the "language" tag of a file. If the audio track has
	// that tag, it takes precedence. Otherwise accept only formats whose files
	// never have the tag.
	if p.audio.Tags["language"] == "" && p.Format.Name != "matroska,webm" && p.Format.Name != "ogg" && p.Format.Name != "mpegts" {
		return nil, errUnusualDump
	}
	return p, nil
}

// addDumpTag adds the tag in the line and reports whether it was parsed without
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
