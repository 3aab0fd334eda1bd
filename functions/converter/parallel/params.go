package parallel

import (
	"fmt"
	"strconv"
	"time"

	"mp3converter/functions/converter/mp3"
)

// Params describes the PCM and the MP3 to encode it to.
type Params struct {
	// SampleRate is one that MP3 has, Channels 1 or 2.
	SampleRate, Channels int
	// Format is ffmpeg's name of the PCM format: "s16le", "s32le" or "f32le".
	Format string
	// Bitrate is a constant bitrate in bits per second. 0 means a variable
	// bitrate of Quality 0 (best) to 9, as ffmpeg's -q:a.
	Bitrate int
	Quality float64
	// Args are additional encoder options, such as "-joint_stereo", "0".
	Args []string
}

// bytesPerValue lists the PCM formats and the size of one sample of one channel.
var bytesPerValue = map[string]int{"s16le": 2, "s32le": 4, "f32le": 4}

func (p Params) validate() error {
	_, known := mp3.VersionOf(p.SampleRate)
	switch {
	case !known:
		return fmt.Errorf("MP3 does not support a sample rate of %d Hz", p.SampleRate)
	case p.Channels != 1 && p.Channels != 2:
		return fmt.Errorf("MP3 does not support %d channels", p.Channels)
	case bytesPerValue[p.Format] == 0:
		return fmt.Errorf("PCM format %q is not one of s16le, s32le, f32le", p.Format)
	case p.Bitrate < 0 || p.Bitrate > mp3.MaxBitrate:
		return fmt.Errorf("MP3 does not support a bitrate of %d bit/s", p.Bitrate)
	case p.Bitrate == 0 && !(p.Quality >= 0 && p.Quality <= 9):
		return fmt.Errorf("VBR quality %v is not within 0 to 9", p.Quality)
	}
	return nil
}

// samplesPerFrame is per channel.
func (p Params) samplesPerFrame() int {
	version, _ := mp3.VersionOf(p.SampleRate)
	return version.SamplesPerFrame()
}

// bytesPerSample is the size of one sample of all channels.
func (p Params) bytesPerSample() int { return bytesPerValue[p.Format] * p.Channels }

// frameBytes is the size of one frame's PCM.
func (p Params) frameBytes() int { return p.samplesPerFrame() * p.bytesPerSample() }

// frames is how many whole frames audio of the given length fills.
func (p Params) frames(length time.Duration) int {
	return int(length.Seconds() * float64(p.SampleRate) / float64(p.samplesPerFrame()))
}

// encoderArgs are ffmpeg's arguments to encode a WAV stream from standard input to MP3
// frames on standard output, without a Xing frame or ID3 tags.
func (p Params) encoderArgs() []string {
	args := []string{
		"-nostdin", "-hide_banner", "-v", "error", "-filter_threads", "1",
		"-protocol_whitelist", "pipe", "-f", "wav", "-ignore_length", "1", "-max_size", "65536", "-i", "pipe:0",
		"-c:a", "libmp3lame",
	}
	if p.Bitrate > 0 {
		args = append(args, "-b:a", strconv.Itoa(p.Bitrate))
	} else {
		args = append(args, "-q:a", strconv.FormatFloat(p.Quality, 'f', -1, 64))
	}
	args = append(args, p.Args...)
	return append(args, "-flush_packets", "0", "-f", "mp3", "-write_xing", "0", "-id3v2_version", "0", "-write_id3v1", "0", "pipe:1")
}
