package mp3

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Tag is the Xing/Info header with its LAME extension. It is stored in a frame of
// silence before the audio, and holds the length of the audio, a seek table, and
// how many samples to skip at either end.
type Tag struct {
	VBR     bool      // "Xing" instead of "Info"
	Frames  int64     // audio frames, without this one
	Bytes   int64     // the whole stream, with this frame
	TOC     [100]byte // see TOCBuilder
	HasTOC  bool
	Quality int // 0 worst to 100 best

	// The rest is the LAME extension; HasLAME is false if it is missing.
	HasLAME  bool
	Encoder  string // at most nine bytes
	Method   uint8  // 1 CBR, 2 ABR, 3 to 5 VBR
	Lowpass  int    // Hz, 0 if unknown
	Delay    int    // samples that the encoder added before the music
	Padding  int    // samples that it added after the music
	Bitrate  int    // CBR: the bitrate; VBR: the lowest; 0 if unknown
	Stereo   uint8  // 0 mono, 1 stereo, 2 dual, 3 joint
	MusicCRC uint16 // over all audio frames

	// CRCValid reports, after parsing, whether the header's own checksum matches.
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

// ErrNoTag means that a frame is an ordinary audio frame.
var ErrNoTag = errors.New("frame holds no Xing or Info header")

// ParseTag reads the header from one whole frame.
func ParseTag(frame []byte) (Tag, error) {
	h, err := ParseHeader(frame)
	if err != nil {
		return Tag{}, err
	}
	// Its position is the end of the side information of an unprotected frame, even
	// in frames with a CRC.
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
	next := func(n int, flag uint32) []byte {
		if flags&flag == 0 || len(rest) < n {
			return nil
		}
		field := rest[:n]
		rest = rest[n:]
		return field
	}
	if f := next(4, tagHasFrames); f != nil {
		t.Frames = int64(binary.BigEndian.Uint32(f))
	}
	if f := next(4, tagHasBytes); f != nil {
		t.Bytes = int64(binary.BigEndian.Uint32(f))
	}
	if f := next(100, tagHasTOC); f != nil {
		t.HasTOC = true
		copy(t.TOC[:], f)
	}
	if f := next(4, tagHasQuality); f != nil {
		t.Quality = int(binary.BigEndian.Uint32(f))
	}
	t.parseLAME(frame, len(frame)-len(rest))
	return t, nil
}

// parseLAME reads the extension at offset at. If the encoder name is empty there is no
// extension: other programs write only the Xing fields.
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

// Frame encodes the tag as a frame for a stream whose audio frames have headers like
// the given one. The frame has the bitrate of like if the tag fits, otherwise the lowest
// bitrate at which it does.
func (t Tag) Frame(like Header) ([]byte, error) {
	if t.Frames < 0 || t.Frames > 1<<32-1 || t.Bytes < 0 || t.Bytes > 1<<32-1 {
		return nil, fmt.Errorf("a Xing header cannot hold %d frames of %d bytes", t.Frames, t.Bytes)
	}
	if t.Delay < 0 || t.Delay > 4095 || t.Padding < 0 || t.Padding > 4095 {
		return nil, fmt.Errorf("a LAME header cannot hold delay %d and padding %d", t.Delay, t.Padding)
	}
	h, err := tagFrameHeader(like)
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
	b[24] = t.Stereo&7<<2 | sampleRateCode(rate)<<6
	binary.BigEndian.PutUint32(b[28:], uint32(t.Bytes))
	binary.BigEndian.PutUint16(b[32:], t.MusicCRC)
	binary.BigEndian.PutUint16(b[34:], UpdateCRC(0, frame[:at+34]))
}

// sampleRateCode is the LAME header's two-bit code for the sample rate.
func sampleRateCode(hz int) byte {
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

// tagFrameHeader returns the header of a frame that the tag fits into.
func tagFrameHeader(like Header) (Header, error) {
	h := Header{Version: like.Version, Mode: like.Mode, SampleRate: like.SampleRate, Original: like.Original}
	need := HeaderSize + h.SideInfoSize() + tagSize
	h.Bitrate = like.Bitrate
	if h.FrameSize() >= need {
		return h, nil
	}
	for _, kbit := range bitrates[h.Version.bitrateTable()] {
		if h.Bitrate = kbit * 1000; h.FrameSize() >= need {
			return h, nil
		}
	}
	return Header{}, fmt.Errorf("%w: no frame at %d Hz holds a Xing header", ErrHeader, like.SampleRate)
}

// printable replaces characters that must not get into a log or a page.
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
