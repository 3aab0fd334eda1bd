package mp3

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// XingHeader is the Xing or Info header with its LAME extension. It is stored in a
// frame of silence before the audio, the Xing frame, and holds the length of the audio,
// a seek table, and how many samples to skip at either end.
type XingHeader struct {
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
	Delay    int    // samples that the encoder added before the audio
	Padding  int    // samples that it added after the audio
	Bitrate  int    // CBR: the bitrate; VBR: the lowest; 0 if unknown
	Stereo   uint8  // 0 mono, 1 stereo, 2 dual, 3 joint
	MusicCRC uint16 // over all audio frames

	// CRCValid reports, after parsing, whether the header's own checksum matches.
	CRCValid bool
}

const (
	lameSize = 36                                 // encoder name to checksum
	xingSize = 4 + 4 + 4 + 4 + 100 + 4 + lameSize // magic, flags, fields, extension
)

const (
	hasFrames = 1 << iota
	hasBytes
	hasTOC
	hasQuality
)

// ErrNoXingHeader means that a frame is an ordinary audio frame.
var ErrNoXingHeader = errors.New("frame holds no Xing or Info header")

// ParseXingHeader reads the header from one whole frame.
func ParseXingHeader(frame []byte) (XingHeader, error) {
	h, err := ParseHeader(frame)
	if err != nil {
		return XingHeader{}, err
	}
	// Its position is the end of the side information of an unprotected frame, even
	// in frames with a CRC.
	at := HeaderSize + h.SideInfoSize()
	if at+8 > len(frame) {
		return XingHeader{}, ErrNoXingHeader
	}
	var x XingHeader
	switch string(frame[at : at+4]) {
	case "Xing":
		x.VBR = true
	case "Info":
	default:
		return XingHeader{}, ErrNoXingHeader
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
	if f := next(4, hasFrames); f != nil {
		x.Frames = int64(binary.BigEndian.Uint32(f))
	}
	if f := next(4, hasBytes); f != nil {
		x.Bytes = int64(binary.BigEndian.Uint32(f))
	}
	if f := next(100, hasTOC); f != nil {
		x.HasTOC = true
		copy(x.TOC[:], f)
	}
	if f := next(4, hasQuality); f != nil {
		x.Quality = int(binary.BigEndian.Uint32(f))
	}
	x.parseLAME(frame, len(frame)-len(rest))
	return x, nil
}

// parseLAME reads the extension at offset at. If the encoder name is empty there is no
// extension: other programs write only the Xing fields.
func (x *XingHeader) parseLAME(frame []byte, at int) {
	if at+lameSize > len(frame) || frame[at] == 0 {
		return
	}
	b := frame[at : at+lameSize]
	x.HasLAME = true
	x.Encoder = strings.TrimRight(printable(b[:9]), " ")
	x.Method = b[9] & 15
	x.Lowpass = int(b[10]) * 100
	x.Bitrate = int(b[20]) * 1000
	x.Delay = int(b[21])<<4 | int(b[22])>>4
	x.Padding = int(b[22]&15)<<8 | int(b[23])
	x.Stereo = b[24] >> 2 & 7
	x.MusicCRC = binary.BigEndian.Uint16(b[32:])
	x.CRCValid = binary.BigEndian.Uint16(b[34:]) == UpdateCRC(0, frame[:at+34])
}

// Frame encodes the header as a Xing frame for a stream with the given kind of audio
// frames. It has their bitrate if the header fits, otherwise the lowest bitrate at which
// it does.
func (x XingHeader) Frame(audio Header) ([]byte, error) {
	if x.Frames < 0 || x.Frames > 1<<32-1 || x.Bytes < 0 || x.Bytes > 1<<32-1 {
		return nil, fmt.Errorf("a Xing header cannot hold %d frames of %d bytes", x.Frames, x.Bytes)
	}
	if x.Delay < 0 || x.Delay > 4095 || x.Padding < 0 || x.Padding > 4095 {
		return nil, fmt.Errorf("a LAME extension cannot hold delay %d and padding %d", x.Delay, x.Padding)
	}
	h, err := xingFrameHeader(audio)
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
	if x.VBR {
		copy(frame[at:], "Xing")
	}
	binary.BigEndian.PutUint32(frame[at+4:], hasFrames|hasBytes|hasTOC|hasQuality)
	binary.BigEndian.PutUint32(frame[at+8:], uint32(x.Frames))
	binary.BigEndian.PutUint32(frame[at+12:], uint32(x.Bytes))
	copy(frame[at+16:], x.TOC[:])
	binary.BigEndian.PutUint32(frame[at+116:], uint32(x.Quality))
	x.putLAME(frame, at+120, h.SampleRate)
	return frame, nil
}

func (x XingHeader) putLAME(frame []byte, at, rate int) {
	b := frame[at : at+lameSize]
	copy(b, bytes.Repeat([]byte{' '}, 9))
	copy(b[:9], x.Encoder)
	b[9] = x.Method & 15 // revision 0
	b[10] = byte(min(x.Lowpass/100, 255))
	b[20] = byte(min(x.Bitrate/1000, 255))
	b[21] = byte(x.Delay >> 4)
	b[22] = byte(x.Delay<<4) | byte(x.Padding>>8)
	b[23] = byte(x.Padding)
	b[24] = x.Stereo&7<<2 | sampleRateCode(rate)<<6
	binary.BigEndian.PutUint32(b[28:], uint32(x.Bytes))
	binary.BigEndian.PutUint16(b[32:], x.MusicCRC)
	binary.BigEndian.PutUint16(b[34:], UpdateCRC(0, frame[:at+34]))
}

// sampleRateCode is the LAME extension's two-bit code for the sample rate.
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

// xingFrameHeader returns the frame header of the Xing frame.
func xingFrameHeader(audio Header) (Header, error) {
	h := Header{Version: audio.Version, Mode: audio.Mode, SampleRate: audio.SampleRate, Original: audio.Original}
	need := HeaderSize + h.SideInfoSize() + xingSize
	h.Bitrate = audio.Bitrate
	if h.FrameSize() >= need {
		return h, nil
	}
	for _, kbit := range bitrates[h.Version.bitrateRow()] {
		if h.Bitrate = kbit * 1000; h.FrameSize() >= need {
			return h, nil
		}
	}
	return Header{}, fmt.Errorf("%w: no frame at %d Hz holds a Xing header", ErrHeader, audio.SampleRate)
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
