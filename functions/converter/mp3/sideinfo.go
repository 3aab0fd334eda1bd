package mp3

import "fmt"

// Side is what the side information says about where a frame's audio data lies.
type Side struct {
	// MainDataBegin is how many bytes before this frame, in the data areas of
	// the frames in front of it, its audio data begins: the bit reservoir. A
	// frame with 0 can be decoded without the ones before it, but for the
	// overlap of the filter bank.
	MainDataBegin int
	// MainDataBits is the length of its audio data.
	MainDataBits int
}

// ParseSide reads the side information of one frame.
func ParseSide(h Header, frame []byte) (Side, error) {
	at := h.sideInfoOffset()
	if len(frame) < h.DataOffset() {
		return Side{}, fmt.Errorf("frame of %d bytes has no side information", len(frame))
	}
	b := bitReader{data: frame[at:h.DataOffset()]}
	var s Side
	granules, channels := 1, h.Channels()
	// Between main_data_begin and the granules lie private bits and, in MPEG-1,
	// four scale factor flags a channel. A granule and channel takes 59 bits in
	// MPEG-1 and 63 in MPEG-2, the first twelve being part2_3_length.
	entry := 63
	if h.Version == MPEG1 {
		granules, entry = 2, 59
		s.MainDataBegin = b.read(9)
		b.skip(5 - 2*(channels-1) + 4*channels)
	} else {
		s.MainDataBegin = b.read(8)
		b.skip(channels)
	}
	for range granules * channels {
		s.MainDataBits += b.read(12)
		b.skip(entry - 12)
	}
	return s, nil
}

// bitReader reads big-endian bit fields. Its caller knows the length.
type bitReader struct {
	data []byte
	at   int
}

func (b *bitReader) read(n int) int {
	v := 0
	for range n {
		v = v<<1 | int(b.data[b.at>>3]>>(7-b.at&7)&1)
		b.at++
	}
	return v
}

func (b *bitReader) skip(n int) { b.at += n }
