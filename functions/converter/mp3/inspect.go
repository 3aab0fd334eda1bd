package mp3

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// DecoderDelay is what every layer III decoder adds in front of the music: the
// delay of its filter bank. Gapless players skip it together with Tag.Delay.
const DecoderDelay = 528 + 1

// searchSize is how far behind the ID3v2 tags the first frame may begin.
const searchSize = 64 << 10

// ErrNotMP3 says that no MPEG layer III stream begins where one should.
var ErrNotMP3 = errors.New("not an MP3 file")

// Info is what the beginning of a file says about it.
type Info struct {
	// Offset is where the stream begins: behind the ID3v2 tags and any junk, at
	// the Xing frame if there is one.
	Offset int64
	// First is the first frame's header: the Xing frame's where there is one.
	First      Header
	SampleRate int
	Channels   int
	VBR        bool
	// Bitrate is the average over the music.
	Bitrate int
	// Frames is the number of music frames and Bytes their length. Exact tells
	// that they were read from a header or counted; otherwise they are guessed
	// from the size of the file and the bitrate of the first frame.
	Frames int64
	Bytes  int64
	Exact  bool
	// Tag is the Xing/Info header, if HasTag.
	Tag    Tag
	HasTag bool
}

// Samples is the length of the music without the encoder's delay and padding.
func (i Info) Samples() int64 {
	n := i.Frames * int64(i.First.SamplesPerFrame())
	if i.Tag.HasLAME {
		n -= int64(i.Tag.Delay + i.Tag.Padding)
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

// Inspect reads the beginning of an MP3 file: it steps over ID3v2 tags, finds
// the first frame and reads the Xing/Info header. It reads at most 64 KiB and a
// few headers, whatever the file's length, and leaves r anywhere.
//
// It does not look at the music. A file that was cut short still claims its full
// length here; compare Bytes with the file's size, or use Scan.
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
	info := newInfo(h, at+int64(i))
	info.Bytes = max(size-info.Offset, 0)
	if err := info.readTag(buf[i : i+h.FrameSize()]); err != nil {
		// No header: the rest of the file is taken to be frames like the first.
		info.Frames = int64(float64(info.Bytes) * 8 * float64(h.SampleRate) / float64(h.SamplesPerFrame()*h.Bitrate))
		info.Bitrate = h.Bitrate
	}
	return info, nil
}

func newInfo(h Header, offset int64) Info {
	return Info{Offset: offset, First: h, SampleRate: h.SampleRate, Channels: h.Channels()}
}

// readTag fills in what a Xing frame says.
func (i *Info) readTag(frame []byte) error {
	tag, err := ParseTag(frame)
	if err != nil {
		return err
	}
	i.Tag, i.HasTag, i.VBR = tag, true, tag.VBR
	i.Bytes = max(i.Bytes-int64(len(frame)), 0)
	if tag.Bytes > int64(len(frame)) {
		i.Bytes = tag.Bytes - int64(len(frame))
	}
	if tag.Frames == 0 {
		return ErrNoTag
	}
	i.Frames, i.Exact = tag.Frames, true
	i.average()
	return nil
}

// average works out the bitrate from frames and bytes. Both may be nonsense of
// 32 bits each, so it counts in floating point.
func (i *Info) average() {
	seconds := float64(i.Frames) * float64(i.First.SamplesPerFrame()) / float64(i.SampleRate)
	if seconds > 0 {
		i.Bitrate = int(float64(i.Bytes) * 8 / seconds)
	}
}

// findFrame looks for the first header in b whose frame lies wholly in b and is
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
		if next == len(b) {
			return i, h, true
		}
		if follows(b[next:], h) {
			return i, h, true
		}
	}
	return 0, Header{}, false
}

// follows tells whether b, what comes behind a frame with header h, is its next
// frame or one of the tags that end a file.
func follows(b []byte, h Header) bool {
	if next, err := ParseHeader(b); err == nil {
		return h.sameStream(next)
	}
	return endTag(b)
}

// endTag recognises what files may carry behind the music.
func endTag(b []byte) bool {
	for _, magic := range [...]string{"TAG", "APETAGEX", "LYRICSBEGIN", "ID3", "3DI"} {
		if len(b) >= len(magic) && string(b[:len(magic)]) == magic {
			return true
		}
	}
	return false
}
