package mp3

import "fmt"

// SideInfo is the part of the side information that locates a frame's main data.
type SideInfo struct {
	// MainDataBegin is how many bytes before the frame's own data area its main
	// data begins, in the data areas of earlier frames: the bit reservoir. If it
	// is 0, the frame can be decoded without the earlier ones, apart from the
	// overlap of the filter bank.
	MainDataBegin int
	// MainDataBits is the length of the main data.
	MainDataBits int
}

// ParseSideInfo reads the side information of one frame.
func ParseSideInfo(h Header, frame []byte) (SideInfo, error) {
	at := h.sideInfoOffset()
	if len(frame) < h.DataOffset() {
		return SideInfo{}, fmt.Errorf("frame of %d bytes has no side information", len(frame))
	}
	b := bitReader{data: frame[at:h.DataOffset()]}
	var s SideInfo
	granules, channels := 1, h.Channels()
	// Between main_data_begin and the granules are private bits and, in MPEG-1,
	// four scale factor flags per channel. Each channel of a granule takes 59 bits
	// in MPEG-1 and 63 in MPEG-2; the first twelve are part2_3_length.
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

// bitReader reads big-endian bit fields. It panics at the end of the data.
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
