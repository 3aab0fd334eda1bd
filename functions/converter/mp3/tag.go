package mp3

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Tag is the Xing/Info header with its LAME extension: a frame of silence in
// front of the music whose data area says how long the music is, where to seek
// and which samples at either end are not music.
type Tag struct {
	VBR     bool      // "Xing" instead of "Info"
	Frames  int64     // music frames, this one not counted
	Bytes   int64     // whole stream, this frame included
	TOC     [100]byte // see TOCBuilder
	HasTOC  bool
	Quality int // 0 worst to 100 best

	// The rest is the LAME extension; HasLAME is false where it is missing.
	HasLAME  bool
	Encoder  string // at most nine bytes
	Method   uint8  // 1 CBR, 2 ABR, 3 to 5 VBR
	Lowpass  int    // Hz, 0 if unknown
	Delay    int    // samples in front of the music that the encoder added
	Padding  int    // samples behind it
	Bitrate  int    // CBR: the bitrate; VBR: the lowest; 0 if unknown
	Stereo   uint8  // 0 mono, 1 stereo, 2 dual, 3 joint
	MusicCRC uint16 // over all music frames

	// CRCValid tells, after parsing, that the header's own checksum is right.
	CRCValid bool
}

const (
	lameSize = 36                                 // encoder name to checksum
	tagSize  = 4 + 4 + 4 + 4 + 100 + 4 + lameSize // magic, flags, fields, extension
)

const (
	tagHasFrames = 1 << iota
	tagHasBytes
	tagHasTOC
	tagHasQuality
)

// ErrNoTag says that a frame is ordinary music.
var ErrNoTag = errors.New("frame holds no Xing or Info header")

// ParseTag reads the header from one whole frame.
func ParseTag(frame []byte) (Tag, error) {
	h, err := ParseHeader(frame)
	if err != nil {
		return Tag{}, err
	}
	// Writers put it where the side information of an unprotected frame ends,
	// and the ones that set the protection bit do not move it.
	at := HeaderSize + h.SideInfoSize()
	if at+8 > len(frame) {
		return Tag{}, ErrNoTag
	}
	var t Tag
	switch string(frame[at : at+4]) {
	case "Xing":
		t.VBR = true
	case "Info":
	default:
		return Tag{}, ErrNoTag
	}
	flags := binary.BigEndian.Uint32(frame[at+4:])
	rest := frame[at+8:]
	take := func(n int, flag uint32) []byte {
		if flags&flag == 0 || len(rest) < n {
			return nil
		}
		field := rest[:n]
		rest = rest[n:]
		return field
	}
	if f := take(4, tagHasFrames); f != nil {
		t.Frames = int64(binary.BigEndian.Uint32(f))
	}
	if f := take(4, tagHasBytes); f != nil {
		t.Bytes = int64(binary.BigEndian.Uint32(f))
	}
	if f := take(100, tagHasTOC); f != nil {
		t.HasTOC = true
		copy(t.TOC[:], f)
	}
	if f := take(4, tagHasQuality); f != nil {
		t.Quality = int(binary.BigEndian.Uint32(f))
	}
	t.parseLAME(frame, len(frame)-len(rest))
	return t, nil
}

// parseLAME reads the extension at offset at. An all-zero encoder name means
// that it is not there: other writers end behind the quality.
func (t *Tag) parseLAME(frame []byte, at int) {
	if at+lameSize > len(frame) || frame[at] == 0 {
		return
	}
	b := frame[at : at+lameSize]
	t.HasLAME = true
	t.Encoder = strings.TrimRight(printable(b[:9]), " ")
	t.Method = b[9] & 15
	t.Lowpass = int(b[10]) * 100
	t.Bitrate = int(b[20]) * 1000
	t.Delay = int(b[21])<<4 | int(b[22])>>4
	t.Padding = int(b[22]&15)<<8 | int(b[23])
	t.Stereo = b[24] >> 2 & 7
	t.MusicCRC = binary.BigEndian.Uint16(b[32:])
	t.CRCValid = binary.BigEndian.Uint16(b[34:]) == UpdateCRC(0, frame[:at+34])
}

// Frame builds the header as a frame of the stream that the music frame like
// belongs to. It takes the stream's own bitrate where the header fits into such
// a frame, else the lowest that holds it.
func (t Tag) Frame(like Header) ([]byte, error) {
	if t.Frames < 0 || t.Frames > 1<<32-1 || t.Bytes < 0 || t.Bytes > 1<<32-1 {
		return nil, fmt.Errorf("a Xing header cannot hold %d frames of %d bytes", t.Frames, t.Bytes)
	}
	if t.Delay < 0 || t.Delay > 4095 || t.Padding < 0 || t.Padding > 4095 {
		return nil, fmt.Errorf("a LAME header cannot hold delay %d and padding %d", t.Delay, t.Padding)
	}
	h, err := tagHeader(like)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, h.FrameSize())
	head, err := h.Bytes()
	if err != nil {
		return nil, err
	}
	copy(frame, head[:])
	at := HeaderSize + h.SideInfoSize()
	copy(frame[at:], "Info")
	if t.VBR {
		copy(frame[at:], "Xing")
	}
	binary.BigEndian.PutUint32(frame[at+4:], tagHasFrames|tagHasBytes|tagHasTOC|tagHasQuality)
	binary.BigEndian.PutUint32(frame[at+8:], uint32(t.Frames))
	binary.BigEndian.PutUint32(frame[at+12:], uint32(t.Bytes))
	copy(frame[at+16:], t.TOC[:])
	binary.BigEndian.PutUint32(frame[at+116:], uint32(t.Quality))
	t.putLAME(frame, at+120, h.SampleRate)
	return frame, nil
}

func (t Tag) putLAME(frame []byte, at, rate int) {
	b := frame[at : at+lameSize]
	copy(b, bytes.Repeat([]byte{' '}, 9))
	copy(b[:9], t.Encoder)
	b[9] = t.Method & 15 // revision 0
	b[10] = byte(min(t.Lowpass/100, 255))
	b[20] = byte(min(t.Bitrate/1000, 255))
	b[21] = byte(t.Delay >> 4)
	b[22] = byte(t.Delay<<4) | byte(t.Padding>>8)
	b[23] = byte(t.Padding)
	b[24] = t.Stereo&7<<2 | rateClass(rate)<<6
	binary.BigEndian.PutUint32(b[28:], uint32(t.Bytes))
	binary.BigEndian.PutUint16(b[32:], t.MusicCRC)
	binary.BigEndian.PutUint16(b[34:], UpdateCRC(0, frame[:at+34]))
}

// rateClass is the LAME header's two bits for the sample rate.
func rateClass(hz int) byte {
	switch {
	case hz <= 32000:
		return 0
	case hz == 44100:
		return 1
	case hz == 48000:
		return 2
	}
	return 3
}

func tagHeader(like Header) (Header, error) {
	h := Header{Version: like.Version, Mode: like.Mode, SampleRate: like.SampleRate, Original: like.Original}
	need := HeaderSize + h.SideInfoSize() + tagSize
	h.Bitrate = like.Bitrate
	if h.FrameSize() >= need {
		return h, nil
	}
	for _, kbit := range bitrates[h.table()] {
		if h.Bitrate = kbit * 1000; h.FrameSize() >= need {
			return h, nil
		}
	}
	return Header{}, fmt.Errorf("%w: no frame at %d Hz holds a Xing header", ErrHeader, like.SampleRate)
}

// printable replaces what must not reach a log or a page.
func printable(b []byte) string {
	out := make([]byte, len(b))
	for i, x := range b {
		if x < ' ' || x > '~' {
			x = ' '
		}
		out[i] = x
	}
	return string(out)
}
