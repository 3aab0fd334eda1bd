package worker

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	inputLine    = regexp.MustCompile(`^Input #0, (\S+), from `)
	durationLine = regexp.MustCompile(`^  Duration: (\d+):(\d\d):(\d\d\.\d+),`)
	streamLine   = regexp.MustCompile(`^  Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\((\w+)\))?: (Audio|Video|Subtitle|Data|Attachment): (\S+)(.*)$`)
	codecTag     = regexp.MustCompile(`\((\S{4}) / 0x[0-9A-F]{8}\)`)
	soundFormat  = regexp.MustCompile(`(?:^|,) (\d+) Hz, (mono|stereo), (\w+)`)
	tagLine      = regexp.MustCompile(`^    (\S+) *: (.*)$`)
)

// parseBanner reads what ffmpeg says of its first input. It understands simple
// videos; of others it returns something that is not simple. It never fails:
// what it does not know it leaves out.
func parseBanner(text []byte) *probe {
	p := &probe{}
	p.Format.Tags = map[string]string{}
	global := false // among the tags of the whole file
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if m := inputLine.FindStringSubmatch(line); m != nil {
			p.Format.Name = m[1]
			global = true
			continue
		}
		if m := durationLine.FindStringSubmatch(line); m != nil {
			p.Format.Duration = fmt.Sprintf("%.2f", clock(m[1]+":"+m[2]+":"+m[3]).Round(10*time.Millisecond).Seconds())
			global = false
			continue
		}
		if m := streamLine.FindStringSubmatch(line); m != nil {
			p.addStream(m)
			global = false
			continue
		}
		if m := tagLine.FindStringSubmatch(line); m != nil && global {
			p.Format.Tags[strings.ToLower(m[1])] = m[2]
		}
	}
	return p
}

// addStream takes a stream's line apart.
func (p *probe) addStream(m []string) {
	rest := m[5]
	s := stream{Type: strings.ToLower(m[3]), Codec: strings.TrimSuffix(m[4], ","), Tags: map[string]string{"language": m[2]}}
	if tag := codecTag.FindStringSubmatch(rest); tag != nil {
		s.CodecTag = tag[1]
	}
	if sound := soundFormat.FindStringSubmatch(rest); sound != nil {
		s.SampleRate, s.SampleFmt = sound[1], sound[3]
		s.Channels = map[string]int{"mono": 1, "stereo": 2}[sound[2]]
	}
	p.Streams = append(p.Streams, s)
	switch added := &p.Streams[len(p.Streams)-1]; {
	case strings.HasSuffix(rest, "(attached pic)"):
		p.picture = added
	case s.Type == "audio" && p.audio == nil:
		audio := s
		p.audio = &audio
	}
}
