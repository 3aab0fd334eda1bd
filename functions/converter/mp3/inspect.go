package mp3

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// DecoderDelay is how many samples every layer III decoder adds before the
// audio: the delay of its filter bank. Gapless players skip it together with
// XingHeader.Delay.
const DecoderDelay = 528 + 1

// searchSize is the maximum distance from the ID3v2 tags to the first frame.
const searchSize = 64 << 10

// ErrNotMP3 means that there is no MPEG layer III stream at the beginning of a file.
var ErrNotMP3 = errors.New("not an MP3 file")

// Info is what the beginning of an MP3 file tells about it.
type Info struct {
	// Offset is where the stream begins: after the ID3v2 tags and any junk, at
	// the Xing frame if there is one.
	Offset int64
	// First is the header of the first frame, which is the Xing frame if there is one.
	First      Header
	SampleRate int
	Channels   int
	VBR        bool
	// Bitrate is the average over the audio frames if Exact, otherwise that of the
	// first frame.
	Bitrate int
	// Frames is the number of audio frames and Bytes their length. If Exact,
	// they were read from a header; otherwise they are estimated from the size of
	// the file and the bitrate of the first frame.
	Frames int64
	Bytes  int64
	Exact  bool
	// Xing is the Xing header, if HasXing.
	Xing    XingHeader
	HasXing bool
}

// Samples is the length of the audio without the encoder's delay and padding.
func (i Info) Samples() int64 {
	n := i.Frames * int64(i.First.SamplesPerFrame())
	if i.Xing.HasLAME {
		n -= int64(i.Xing.Delay + i.Xing.Padding)
	}
	return max(n, 0)
}

// Duration is Samples as time.
func (i Info) Duration() time.Duration {
	if i.SampleRate <= 0 {
		return 0
	}
	n, rate := i.Samples(), int64(i.SampleRate)
	return time.Duration(n/rate)*time.Second + time.Duration(n%rate)*time.Second/time.Duration(rate)
}

// Inspect reads the beginning of an MP3 file: it skips ID3v2 tags, finds the first
// frame and reads the Xing header. It reads at most 64 KiB and a few headers,
// regardless of the file's length, and leaves r at an undefined position.
//
// It does not read the audio. For a file that was cut off it returns the length that
// the header claims; compare Bytes with the file's size.
func Inspect(r io.ReadSeeker) (Info, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return Info{}, fmt.Errorf("seeking to the end: %w", err)
	}
	at, err := skipTags(r)
	if err != nil {
		return Info{}, err
	}
	buf := make([]byte, searchSize)
	n, err := io.ReadFull(r, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Info{}, fmt.Errorf("reading at %d: %w", at, err)
	}
	buf = buf[:n]
	i, h, ok := findFrame(buf)
	if !ok {
		return Info{}, ErrNotMP3
	}
	info := Info{Offset: at + int64(i), First: h, SampleRate: h.SampleRate, Channels: h.Channels()}
	info.Bytes = max(size-info.Offset, 0)
	if !info.readXing(buf[i : i+h.FrameSize()]) {
		// The length is unknown: assume that the whole file has the first frame's bitrate.
		info.Frames = int64(float64(info.Bytes) * 8 * float64(h.SampleRate) / float64(h.SamplesPerFrame()*h.Bitrate))
		info.Bitrate = h.Bitrate
	}
	return info, nil
}

// readXing fills in the fields that a Xing frame contains, and reports whether the
// number of frames is one of them.
func (i *Info) readXing(frame []byte) bool {
	x, err := ParseXingHeader(frame)
	if err != nil {
		return false
	}
	i.Xing, i.HasXing, i.VBR = x, true, x.VBR
	i.Bytes = max(i.Bytes-int64(len(frame)), 0)
	if x.Bytes > int64(len(frame)) {
		i.Bytes = x.Bytes - int64(len(frame))
	}
	if x.Frames == 0 {
		return false
	}
	i.Frames, i.Exact = x.Frames, true
	i.setAverageBitrate()
	return true
}

// setAverageBitrate computes the bitrate from Frames and Bytes. Both may be any 32-bit
// numbers, so it uses floating point.
func (i *Info) setAverageBitrate() {
	seconds := float64(i.Frames) * float64(i.First.SamplesPerFrame()) / float64(i.SampleRate)
	if seconds > 0 {
		i.Bitrate = int(float64(i.Bytes) * 8 / seconds)
	}
}

// findFrame finds the first header in b whose frame lies entirely in b and is
// followed by another frame of the same stream, or by the end of b.
func findFrame(b []byte) (int, Header, bool) {
	for i := 0; i+HeaderSize <= len(b); i++ {
		h, err := ParseHeader(b[i:])
		if err != nil {
			continue
		}
		next := i + h.FrameSize()
		if next > len(b) || h.FrameSize() < h.DataOffset() {
			continue
		}
		if next == len(b) || frameFollows(b[next:], h) {
			return i, h, true
		}
	}
	return 0, Header{}, false
}

// frameFollows reports whether b, which comes after a frame with header h, begins
// with the stream's next frame or with a tag that may end a file.
func frameFollows(b []byte, h Header) bool {
	if next, err := ParseHeader(b); err == nil {
		return h.sameStream(next)
	}
	return isTrailingTag(b)
}

// isTrailingTag reports whether b begins with one of the tags that files have after
// the audio.
func isTrailingTag(b []byte) bool {
	for _, magic := range [...]string{"TAG", "APETAGEX", "LYRICSBEGIN", "ID3", "3DI"} {
		if len(b) >= len(magic) && string(b[:len(magic)]) == magic {
			return true
		}
	}
	return false
}
