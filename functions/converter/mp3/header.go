package mp3

import (
	"errors"
	"fmt"
)

// Version is the MPEG version of a frame. It determines the sample rates, the
// bitrates and the number of samples per frame.
type Version uint8

// The versions, with their two-bit values in the header; 1 is reserved.
const (
	MPEG25 Version = 0
	MPEG2  Version = 2
	MPEG1  Version = 3
)

func (v Version) String() string {
	switch v {
	case MPEG1:
		return "MPEG-1"
	case MPEG2:
		return "MPEG-2"
	case MPEG25:
		return "MPEG-2.5"
	}
	return "reserved"
}

// VersionOf returns the version that has a sample rate. Each rate belongs to exactly one.
func VersionOf(sampleRate int) (Version, bool) {
	for _, v := range []Version{MPEG1, MPEG2, MPEG25} {
		for _, hz := range sampleRates {
			if hz > 0 && hz>>v.rateShift() == sampleRate {
				return v, true
			}
		}
	}
	return 0, false
}

// SamplesPerFrame is 1152 for MPEG-1 and 576 for the others, per channel.
func (v Version) SamplesPerFrame() int {
	if v == MPEG1 {
		return 1152
	}
	return 576
}

// bitrateRow returns the index of the version in bitrates.
func (v Version) bitrateRow() int {
	if v == MPEG1 {
		return 0
	}
	return 1
}

// rateShift returns how many times the sample rates of MPEG-1 are halved.
func (v Version) rateShift() int {
	switch v {
	case MPEG1:
		return 0
	case MPEG2:
		return 1
	}
	return 2
}

// Mode is the channel mode of a frame.
type Mode uint8

// The channel modes, with their two-bit values in the header.
const (
	Stereo Mode = iota
	JointStereo
	DualChannel
	Mono
)

// HeaderSize is the length of a frame header without its optional CRC.
const HeaderSize = 4

// MaxFrameSize is the size of the largest layer III frame: MPEG-1, 320 kbit/s,
// 32 kHz, padded.
const MaxFrameSize = 1441

// MaxBitrate is the highest bitrate of layer III, which only MPEG-1 has.
const MaxBitrate = 320_000

// ErrHeader means that four bytes are not the header of a layer III frame. Free
// format (no bitrate in the header) is not supported: no encoder in use writes it,
// and its frames can only be found by guessing.
var ErrHeader = errors.New("not an MPEG layer III frame header")

// Header is a parsed frame header.
type Header struct {
	Version    Version
	Mode       Mode
	ModeExt    uint8 // which joint stereo tools the frame uses
	Bitrate    int   // bits per second
	SampleRate int   // Hz
	Padding    bool
	Protected  bool // a CRC-16 follows the header
	Private    bool
	Copyright  bool
	Original   bool
	Emphasis   uint8
}

var bitrates = [2][16]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0}, // MPEG-1
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},     // MPEG-2 and 2.5
}

var sampleRates = [4]int{44100, 48000, 32000, 0}

// ParseHeader reads the first four bytes of b.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return Header{}, ErrHeader
	}
	h := Header{
		Version:   Version(b[1] >> 3 & 3),
		Protected: b[1]&1 == 0,
		Padding:   b[2]>>1&1 == 1,
		Private:   b[2]&1 == 1,
		Mode:      Mode(b[3] >> 6),
		ModeExt:   b[3] >> 4 & 3,
		Copyright: b[3]>>3&1 == 1,
		Original:  b[3]>>2&1 == 1,
		Emphasis:  b[3] & 3,
	}
	layer3 := b[1]>>1&3 == 1
	h.Bitrate = bitrates[h.Version.bitrateRow()][b[2]>>4] * 1000
	h.SampleRate = sampleRates[b[2]>>2&3] >> h.Version.rateShift()
	if h.Version == 1 || !layer3 || h.Bitrate == 0 || h.SampleRate == 0 || h.Emphasis == 2 {
		return Header{}, ErrHeader
	}
	return h, nil
}

// Bytes encodes the header. It fails if the version does not have its bitrate or
// sample rate.
func (h Header) Bytes() ([HeaderSize]byte, error) {
	bitrate, rate := -1, -1
	for i, kbit := range bitrates[h.Version.bitrateRow()] {
		if kbit > 0 && kbit*1000 == h.Bitrate {
			bitrate = i
		}
	}
	for i, hz := range sampleRates {
		if hz > 0 && hz>>h.Version.rateShift() == h.SampleRate {
			rate = i
		}
	}
	if bitrate < 0 || rate < 0 {
		return [HeaderSize]byte{}, fmt.Errorf("%w: %s has no %d bit/s at %d Hz", ErrHeader, h.Version, h.Bitrate, h.SampleRate)
	}
	return [HeaderSize]byte{
		0xff,
		0xe2 | byte(h.Version)<<3 | bit(!h.Protected, 0),
		byte(bitrate)<<4 | byte(rate)<<2 | bit(h.Padding, 1) | bit(h.Private, 0),
		byte(h.Mode)<<6 | h.ModeExt<<4 | bit(h.Copyright, 3) | bit(h.Original, 2) | h.Emphasis,
	}, nil
}

// FrameSize is the length of the whole frame, header included.
func (h Header) FrameSize() int {
	size := h.SamplesPerFrame() / 8 * h.Bitrate / h.SampleRate
	if h.Padding {
		size++
	}
	return size
}

// SamplesPerFrame is per channel.
func (h Header) SamplesPerFrame() int { return h.Version.SamplesPerFrame() }

// Channels is 1 or 2.
func (h Header) Channels() int {
	if h.Mode == Mono {
		return 1
	}
	return 2
}

// SideInfoSize is the length of the side information between the header (and
// its CRC) and the audio data.
func (h Header) SideInfoSize() int {
	switch {
	case h.Version == MPEG1 && h.Mode != Mono:
		return 32
	case h.Version == MPEG1 || h.Mode != Mono:
		return 17
	}
	return 9
}

// DataOffset is the offset of a frame's data area, which follows the side information.
func (h Header) DataOffset() int { return h.sideInfoOffset() + h.SideInfoSize() }

// Enlarge returns the header of the smallest frame that is at least extra bytes
// larger, at a higher bitrate. It returns false if there is no such bitrate, or if a
// CRC covers the header.
func (h Header) Enlarge(extra int) (Header, bool) {
	larger := h
	for _, kbit := range bitrates[h.Version.bitrateRow()] {
		larger.Bitrate = kbit * 1000
		if kbit > 0 && larger.FrameSize() >= h.FrameSize()+extra {
			return larger, !h.Protected
		}
	}
	return h, false
}

func (h Header) sideInfoOffset() int {
	if h.Protected {
		return HeaderSize + 2
	}
	return HeaderSize
}

// sameStream reports whether two frames can belong to one stream. Bitrate, padding
// and stereo tools may change within a stream.
func (h Header) sameStream(o Header) bool {
	return h.Version == o.Version && h.SampleRate == o.SampleRate && h.Channels() == o.Channels()
}

func bit(set bool, shift uint) byte {
	if set {
		return 1 << shift
	}
	return 0
}
