package parallel

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Config says how to cut. The zero value of every field but FFmpeg is usable.
type Config struct {
	// FFmpeg is the program to run, with libmp3lame built in.
	FFmpeg string
	// Command, if set, makes the encoder's command from ffmpeg's arguments, in
	// place of FFmpeg: a sandbox goes here. Cancel of what it returns must kill
	// the whole process group.
	Command func(ctx context.Context, args []string) *exec.Cmd
	// Workers is how many encoders run at once; 0 means 1.
	Workers int
	// Piece is how many frames of music a piece holds, a multiple of Period. 0
	// means as many as MaxPiece, or fewer, so that music of this Length makes
	// equal pieces for all encoders; a Length of 0 is unknown.
	Piece  int
	Length time.Duration
	// Progress, if set, is told after every piece how many samples of music are
	// written. It is called from one goroutine and must not block.
	Progress func(samples int64)
}

// Period is the number of frames after which the pattern of padded frames
// repeats at constant bitrate: 44.1 kHz and its halves do not divide into whole
// bytes, and 49 frames are the least that do, at every bitrate. Cutting only at
// multiples keeps the pieces in the pattern that one encoder would have made.
const Period = 49

// MaxPiece is two minutes at 44.1 kHz, or 41 MB of PCM. Longer pieces waste less on
// what they share, shorter ones less memory.
const MaxPiece = 90 * Period

// What a chunk shares with the one before it, in frames.
const (
	shared = settle + overlap + postRoll
	// settle is for the worst seen: clicks in near silence, after which an encoder
	// took up to 69 frames to fall in step. Music takes up to 24.
	settle = 71
	// overlap is how many frames come from both encoders, so that there is a choice
	// where to join them.
	overlap = 24
	// postRoll is how far an encoder looks ahead: LAME gives out a frame only
	// when it has seen the next one and the window of its psychoacoustic model.
	postRoll = 3
)

// shared is a multiple of Period: this does not compile where it is not.
const _ = uint(-(shared % Period))

// worthwhile is the length of music for which an encoder more pays: with less, to
// start it and let it settle costs more than a tenth of what it takes over.
const worthwhile = 150 * time.Second

// WorkersFor is how many encoders a piece of that length is worth on so many
// cores; 1 means that a plain ffmpeg does as well.
func WorkersFor(length time.Duration, cores int) int {
	return max(1, min(cores, int(length/worthwhile)))
}

// waitDelay is how long a killed encoder's pipes may stay open.
const waitDelay = 5 * time.Second

// encoderDelay is LAME's own, in front of the decoder's mp3.DecoderDelay.
const encoderDelay = 576

// Params is what to encode, and how.
type Params struct {
	// SampleRate is one that MP3 has, Channels 1 or 2.
	SampleRate, Channels int
	// Format is ffmpeg's name of the PCM: "f32le" for what decoders of lossy
	// codecs put out, "s16le", or "s32le".
	Format string
	// Bitrate in bits per second makes a constant bitrate; 0 makes a variable
	// one of Quality 0 (best) to 9, as ffmpeg's -q:a.
	Bitrate int
	Quality float64
	// Args go to the encoder behind the others, such as "-joint_stereo", "0".
	Args []string
}

var sampleSizes = map[string]int{"s16le": 2, "s32le": 4, "f32le": 4}

var rates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

func (p Params) validate() error {
	switch {
	case !slices.Contains(rates, p.SampleRate):
		return fmt.Errorf("MP3 has no sample rate of %d Hz", p.SampleRate)
	case p.Channels != 1 && p.Channels != 2:
		return fmt.Errorf("MP3 has no %d channels", p.Channels)
	case sampleSizes[p.Format] == 0:
		return fmt.Errorf("PCM format %q is not one of s16le, s32le, f32le", p.Format)
	case p.Bitrate < 0 || p.Bitrate > 320_000:
		return fmt.Errorf("MP3 has no bitrate of %d bit/s", p.Bitrate)
	case p.Bitrate == 0 && !(p.Quality >= 0 && p.Quality <= 9):
		return fmt.Errorf("VBR quality %v is not within 0 to 9", p.Quality)
	}
	return nil
}

// samplesPerFrame is 1152 for MPEG-1's sample rates, 576 for the lower ones.
func (p Params) samplesPerFrame() int {
	if p.SampleRate >= 32000 {
		return 1152
	}
	return 576
}

// sampleBytes is the size of one sample of all channels.
func (p Params) sampleBytes() int { return sampleSizes[p.Format] * p.Channels }

func (p Params) frameBytes() int { return p.samplesPerFrame() * p.sampleBytes() }

// args is the encoder's command line: PCM behind the header of a WAV file in, bare
// frames out.
func (p Params) args() []string {
	args := []string{
		"-nostdin", "-hide_banner", "-v", "error",
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

// piece divides music of the given length among the encoders.
func (c Config) piece(p Params) int {
	frames := int(c.Length.Seconds() * float64(p.SampleRate) / float64(p.samplesPerFrame()))
	if frames <= 0 {
		return MaxPiece
	}
	rounds := divide(frames, c.Workers*MaxPiece)
	return Period * divide(frames, rounds*c.Workers*Period)
}

// divide rounds up.
func divide(a, b int) int { return (a + b - 1) / b }

func (c Config) withDefaults(p Params) (Config, error) {
	c.Workers = max(c.Workers, 1)
	if c.Piece == 0 {
		c.Piece = c.piece(p)
	}
	if c.Piece < 0 || c.Piece%Period != 0 {
		return c, fmt.Errorf("pieces of %d frames: not a multiple of %d", c.Piece, Period)
	}
	if c.Command == nil {
		if c.FFmpeg == "" {
			return c, errors.New("no ffmpeg to run")
		}
		c.Command = c.command
	}
	return c, nil
}

func (c Config) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.FFmpeg, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	return cmd
}
