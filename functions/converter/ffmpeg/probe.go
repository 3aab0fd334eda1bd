package ffmpeg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"mp3converter/shared/conversion"
)

const (
	// probeTimeout is ample: ffprobe reads a few megabytes.
	probeTimeout = 60 * time.Second
	// maxProbeOutput limits ffprobe's output: no real video has thousands of tracks.
	maxProbeOutput = 4 << 20
	// maxTracks limits the tracks in the media info.
	maxTracks = 32
)

// probe is the part of ffprobe's output that is used.
type probe struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Name     string            `json:"format_name"`
		Duration string            `json:"duration"` // seconds
		Tags     map[string]string `json:"tags"`
	} `json:"format"`

	audio   *stream // the stream to convert
	picture *stream // attached, such as an album's cover
	video   *stream // the first with moving pictures
}

type stream struct {
	Index       int               `json:"index"`
	Type        string            `json:"codec_type"`
	Codec       string            `json:"codec_name"`
	CodecTag    string            `json:"codec_tag_string"`
	SampleRate  string            `json:"sample_rate"`
	SampleFmt   string            `json:"sample_fmt"`
	Channels    int               `json:"channels"`
	Duration    string            `json:"duration"` // seconds
	Tags        map[string]string `json:"tags"`
	Disposition struct {
		Default         int `json:"default"`
		AttachedPicture int `json:"attached_pic"`
	} `json:"disposition"`
}

// probe runs ffprobe.
func (r *conversionRun) probe(ctx context.Context) (*probe, error) {
	args := []string{"-v", "error", "-of", "json", "-show_format", "-show_streams", "-threads", "1"}
	output := &limitedBuffer{max: maxProbeOutput}
	args = append(args, r.input.args()...)
	cmd := r.command(r.FFprobe, append(args, otherDecoderArgs()...))
	cmd.timeout = probeTimeout
	cmd.stdout = output
	err := cmd.run(ctx)
	if output.exceeded { // ffprobe was then killed by SIGPIPE
		err = errOutputTooLarge
	}
	if err != nil {
		return nil, classifyProbeError(r.input, err)
	}
	return parseProbe(output.bytes, r.options.Track)
}

// classifyProbeError distinguishes a damaged video from a file of another kind,
// by its first bytes.
func classifyProbeError(in *input, err error) error {
	var exit *exitError
	switch {
	case errors.Is(err, errTimeout):
		return fmt.Errorf("%w: %w", conversion.TimeLimit, err)
	case errors.Is(err, errOutOfMemory):
		return fmt.Errorf("%w: %w", conversion.MemoryLimit, err)
	case errors.Is(err, errOutputTooLarge):
		return fmt.Errorf("%w: %w", conversion.Unsupported, err)
	case !errors.As(err, &exit), exit.killed():
		return err
	case exit.mentions("not on whitelist"), exit.mentions("not in allowed"):
		return fmt.Errorf("%w: %w", conversion.Unsupported, err)
	}
	kind := http.DetectContentType(in.head)
	if strings.HasPrefix(kind, "video/") || strings.HasPrefix(kind, "audio/") || kind == "application/ogg" {
		return fmt.Errorf("%w: %w", conversion.Corrupt, err)
	}
	return fmt.Errorf("%w: %w", conversion.Unsupported, err)
}

// parseProbe parses ffprobe's output and selects the streams to use.
func parseProbe(output []byte, track string) (*probe, error) {
	var p probe
	if err := json.Unmarshal(output, &p); err != nil {
		return nil, fmt.Errorf("%w: ffprobe's output: %w", conversion.Corrupt, err)
	}
	if len(p.Streams) == 0 {
		return nil, conversion.Corrupt
	}
	if err := p.selectStreams(track); err != nil {
		return nil, err
	}
	return &p, nil
}

// selectStreams sets the streams to use, or returns an error if there is
// nothing to convert.
func (p *probe) selectStreams(track string) error {
	for i := range p.Streams {
		s := &p.Streams[i]
		switch {
		case s.Type != "video":
		case s.Disposition.AttachedPicture == 1:
			p.picture = s
		case p.video == nil:
			p.video = s
		}
	}
	if err := p.selectAudio(track); err != nil {
		return err
	}
	switch {
	case encrypted(p.audio.CodecTag):
		return conversion.DRM
	case p.audio.rate() <= 0 || p.audio.Channels <= 0:
		return fmt.Errorf("%w: audio track without sample rate or channels", conversion.Corrupt)
	case p.audio.Codec == "" || p.audio.Codec == "unknown" || p.audio.Codec == "none":
		return fmt.Errorf("%w: unknown codec", conversion.Unsupported)
	}
	return nil
}

// selectAudio selects the audio track by its number from 1 or its language. An
// empty track selects the first one marked as default, otherwise the first.
func (p *probe) selectAudio(track string) error {
	n := 0
	for i := range p.Streams {
		s := &p.Streams[i]
		if s.Type != "audio" {
			continue
		}
		n++
		switch {
		case track == "":
			if p.audio == nil || p.audio.Disposition.Default == 0 && s.Disposition.Default == 1 {
				p.audio = s
			}
		case p.audio == nil && (track == strconv.Itoa(n) || strings.EqualFold(track, s.Tags["language"])):
			p.audio = s
		}
	}
	switch {
	case n == 0:
		return conversion.NoAudio
	case p.audio == nil:
		return conversion.NoSuchTrack
	}
	return nil
}

// encrypted reports whether a codec tag is that of Common Encryption or FairPlay.
func encrypted(tag string) bool { return tag == "enca" || tag == "drms" }

func (s *stream) rate() int {
	n, _ := strconv.Atoi(s.SampleRate)
	return n
}

// expected returns the duration of the audio track, or 0 if the container gives
// only the duration of the whole video, which may be longer.
func (p *probe) expected() time.Duration {
	switch strings.Split(p.Format.Name, ",")[0] {
	case "mov", "avi", "asf", "mxf", "wav", "flac", "ogg":
		return seconds(p.audio.Duration)
	case "matroska":
		return clock(p.audio.Tags["DURATION"])
	}
	return 0
}

// duration returns the best estimate of the duration, for limits and progress.
func (p *probe) duration() time.Duration {
	for _, d := range []time.Duration{p.expected(), seconds(p.audio.Duration), seconds(p.Format.Duration)} {
		if d > 0 {
			return d
		}
	}
	return 0
}

// mediaInfo describes the video for the user.
func (p *probe) mediaInfo() *conversion.MediaInfo {
	info := &conversion.MediaInfo{
		Container: p.Format.Name, Codec: p.audio.Codec, Duration: p.duration(),
		SampleRate: p.audio.rate(), Channels: p.audio.Channels, Tags: map[string]string{},
	}
	for _, t := range p.Streams {
		if t.Type == "audio" && len(info.Tracks) < maxTracks {
			info.Tracks = append(info.Tracks, conversion.Track{
				Codec: t.Codec, Language: clip(t.Tags["language"]), Title: clip(t.Tags["title"]), SampleRate: t.rate(), Channels: t.Channels,
			})
		}
	}
	for k, v := range p.Format.Tags {
		if k = strings.ToLower(k); slices.Contains(tagNames, k) {
			info.Tags[k] = clip(tagText.Replace(v))
		}
	}
	return info
}

// seconds parses ffprobe's decimal seconds; 0 means unknown.
func seconds(s string) time.Duration {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f <= 0 || f > 1e9 {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}

// clock parses Matroska's 00:01:02.345678900; 0 means unknown.
func clock(s string) time.Duration {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return 0
	}
	hours, errH := strconv.ParseUint(parts[0], 10, 16)
	minutes, errM := strconv.ParseUint(parts[1], 10, 8)
	if errH != nil || errM != nil {
		return 0
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + seconds(parts[2])
}
