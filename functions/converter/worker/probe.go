package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mp3converter/shared/conversion"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// probeTime bounds the look at a video: ffprobe reads a few megabytes.
	probeTime = 60 * time.Second
	// probeBytes bounds what ffprobe may answer: thousands of tracks are an
	// attack.
	probeBytes = 4 << 20
	// maxTracks bounds how many tracks the record lists.
	maxTracks = 32
)

// formats are the containers that may be opened. It leaves out playlists and
// all that refers to other files: those would make ffmpeg read on this
// machine, or from the network, what their author wishes.
const formats = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,flv,live_flv,asf,asf_o,ogg,oga,ogv,rm,ivf,nut,mxf,mxf_opatom,gxf,dv,wtv,wav,w64,aiff,caf,au,flac,mp3,aac,ac3,eac3,dts,dtshd,truehd,amr,amrnb,amrwb,ape,wv,tta,tak,mpc,mpc8,oma,voc,nsv,vivo,smk,bink,4xm,roq,thp,xmv,pmp,ipmovie,wsvqa,film_cpk"

// probe is ffprobe's answer, as far as it is used.
type probe struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Name     string            `json:"format_name"`
		Duration string            `json:"duration"` // seconds
		Tags     map[string]string `json:"tags"`
	} `json:"format"`

	audio   *stream // the track to convert
	picture *stream // attached to the sound, as an album's cover
	video   *stream // moving pictures
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

// probe looks at the video before anything is spent on it.
func (a *attempt) probe(ctx context.Context, dir string, in *input) (*probe, error) {
	args := []string{"-v", "error", "-of", "json", "-show_format", "-show_streams", "-threads", "1"}
	var answer bytes.Buffer
	run := a.program(a.config.FFprobe, dir, in, append(args, in.args()...))
	run.time = probeTime
	run.stdout = &limitedBuffer{&answer, probeBytes}
	if err := run.do(ctx); err != nil {
		return nil, unreadable(in, err)
	}
	return parseProbe(answer.Bytes(), a.job.Options.Track)
}

// unreadable tells a damaged video from something that never was one, by its
// first bytes.
func unreadable(in *input, err error) error {
	var ended *exitError
	switch {
	case errors.Is(err, errTime):
		return fmt.Errorf("%w: %w", conversion.TimeLimit, err)
	case errors.Is(err, errTooMuch):
		return fmt.Errorf("%w: %w", conversion.Unsupported, err)
	case !errors.As(err, &ended), ended.killed():
		return err
	case ended.mentions("not on whitelist"), ended.mentions("not in allowed"):
		return fmt.Errorf("%w: %w", conversion.Unsupported, err)
	}
	kind := http.DetectContentType(in.head)
	if strings.HasPrefix(kind, "video/") || strings.HasPrefix(kind, "audio/") || kind == "application/ogg" {
		return fmt.Errorf("%w: %w", conversion.Corrupt, err)
	}
	return fmt.Errorf("%w: %w", conversion.Unsupported, err)
}

// parseProbe reads ffprobe's answer and picks the tracks.
func parseProbe(answer []byte, track string) (*probe, error) {
	var p probe
	if err := json.Unmarshal(answer, &p); err != nil {
		return nil, fmt.Errorf("%w: ffprobe's answer: %w", conversion.Corrupt, err)
	}
	if len(p.Streams) == 0 {
		return nil, conversion.Corrupt
	}
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
	if err := p.choose(track); err != nil {
		return nil, err
	}
	switch {
	case protected(p.audio.CodecTag):
		return nil, conversion.DRM
	case p.audio.rate() <= 0 || p.audio.Channels <= 0:
		return nil, fmt.Errorf("%w: sound track without rate or channels", conversion.Corrupt)
	case p.audio.Codec == "" || p.audio.Codec == "unknown" || p.audio.Codec == "none":
		return nil, fmt.Errorf("%w: unknown codec", conversion.Unsupported)
	}
	return &p, nil
}

// choose picks the sound track: by its number from 1, by its language, or, if
// nothing is wished for, the first one marked as default, else the first.
func (p *probe) choose(track string) error {
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

// protected knows the marks of Common Encryption and of FairPlay.
func protected(tag string) bool { return tag == "enca" || tag == "drms" }

func (s *stream) rate() int {
	n, _ := strconv.Atoi(s.SampleRate)
	return n
}

// expected is how long the MP3 should be, or 0 if the container does not say
// so of the sound track itself: that of the whole video may be longer.
func (p *probe) expected() time.Duration {
	switch strings.Split(p.Format.Name, ",")[0] {
	case "mov", "avi", "asf", "mxf", "wav", "flac", "ogg":
		return seconds(p.audio.Duration)
	case "matroska":
		return clock(p.audio.Tags["DURATION"])
	}
	return 0
}

// duration is the best guess at the length, for limits and progress.
func (p *probe) duration() time.Duration {
	for _, d := range []time.Duration{p.expected(), seconds(p.audio.Duration), seconds(p.Format.Duration)} {
		if d > 0 {
			return d
		}
	}
	return 0
}

// source is what the job's owner is shown.
func (p *probe) source() *conversion.MediaInfo {
	s := &conversion.MediaInfo{
		Container: p.Format.Name, Codec: p.audio.Codec, Duration: p.duration(),
		Rate: p.audio.rate(), Channels: p.audio.Channels, Tags: map[string]string{},
	}
	for _, t := range p.Streams {
		if t.Type == "audio" && len(s.Tracks) < maxTracks {
			s.Tracks = append(s.Tracks, conversion.Track{
				Codec: t.Codec, Language: clip(t.Tags["language"]), Title: clip(t.Tags["title"]), Rate: t.rate(), Channels: t.Channels,
			})
		}
	}
	for k, v := range p.Format.Tags {
		if k = strings.ToLower(k); slices.Contains(tags, k) {
			s.Tags[k] = clip(v)
		}
	}
	return s
}

// seconds reads ffprobe's decimal seconds; 0 is unknown.
func seconds(s string) time.Duration {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f <= 0 || f > 1e9 {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}

// clock reads Matroska's 00:01:02.345678900; 0 is unknown.
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
