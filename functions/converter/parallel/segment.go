package parallel

import (
	"errors"
	"fmt"

	"mp3converter/functions/converter/mp3"
)

// ErrOverlap means that the main data of two frames overlap, so that no decoder could
// play both.
var ErrOverlap = errors.New("main data of two frames overlap")

// segment holds the frames that an encoder made of one chunk, including those that the
// neighbouring segments have too.
type segment struct {
	index     int
	last      bool
	start     int // the first frame to write: those before it are in the segment before
	frames    []frame
	data      []byte // all frames
	areaBytes int    // total length of the data areas
}

// frame is one frame of a segment. Its data area is everything behind its side
// information. The data areas of all frames form one stream, in which the main data of
// the frames follow each other: main data may begin in the data areas of earlier
// frames, which is the bit reservoir. Positions in that stream count from the
// beginning of the segment.
type frame struct {
	header     mp3.Header
	offset     int // of the frame in the segment's data
	size       int // of the whole frame
	areaOffset int // offset of the data area in the segment's data
	areaPos    int // position of the data area in the stream
	mainStart  int // position of the main data: areaPos - main_data_begin
	mainEnd    int
}

// add appends a frame.
func (s *segment) add(f mp3.Frame) error {
	side, err := mp3.ParseSideInfo(f.Header, f.Data)
	if err != nil {
		return err
	}
	n := frame{
		header: f.Header, offset: len(s.data), size: len(f.Data), areaOffset: len(s.data) + f.Header.DataOffset(),
		areaPos: s.areaBytes, mainStart: s.areaBytes - side.MainDataBegin,
	}
	n.mainEnd = n.mainStart + (side.MainDataBits+7)/8
	s.data = append(s.data, f.Data...)
	s.areaBytes += len(s.data) - n.areaOffset
	if n.mainEnd > s.areaBytes || len(s.frames) > 0 && n.mainStart < s.frames[len(s.frames)-1].mainEnd {
		return fmt.Errorf("segment %d, frame %d: %w", s.index, len(s.frames), ErrOverlap)
	}
	s.frames = append(s.frames, n)
	return nil
}

// unusedBefore returns how many bytes directly before frame n hold no main data of an
// earlier frame. Bytes before the segment's start are not counted: they are not
// written.
func (s *segment) unusedBefore(n int) int {
	end := s.areaBytes
	if n < len(s.frames) {
		end = s.frames[n].areaPos
	}
	return end - max(s.frames[n-1].mainEnd, s.frames[s.start].areaPos)
}

// borrowedBytes returns how much of the main data of frame n lies in earlier frames.
// It returns false if the segment has no frame n, because its encoder ended early, or
// if the main data begin before the segment.
func (s *segment) borrowedBytes(n int) (int, bool) {
	if n >= len(s.frames) {
		return 0, false
	}
	f := s.frames[n]
	return f.areaPos - f.mainStart, f.mainStart >= 0
}

// borrowedData copies the main data of frame n that lie in earlier frames.
func (s *segment) borrowedData(n int) []byte {
	out := make([]byte, s.frames[n].areaPos-s.frames[n].mainStart)
	for rest := out; len(rest) > 0; {
		n--
		area := s.dataArea(n)
		size := min(len(area), len(rest))
		copy(rest[len(rest)-size:], area[len(area)-size:])
		rest = rest[:len(rest)-size]
	}
	return out
}

// fillReservoir writes b to the end of the last data areas, from where the next
// segment's first frame borrows it.
func (s *segment) fillReservoir(b []byte) {
	for n := len(s.frames) - 1; len(b) > 0; n-- {
		area := s.dataArea(n)
		size := min(len(area), len(b))
		copy(area[len(area)-size:], b[len(b)-size:])
		b = b[:len(b)-size]
	}
}

func (s *segment) dataArea(n int) []byte {
	f := s.frames[n]
	return s.data[f.areaOffset : f.offset+f.size]
}

// truncate drops frame n and all later ones.
func (s *segment) truncate(n int) {
	if n == len(s.frames) {
		return
	}
	s.data, s.areaBytes = s.data[:s.frames[n].offset], s.frames[n].areaPos
	s.frames = s.frames[:n]
}

// enlargeLastFrame replaces the last frame's header by one of a larger frame, and
// extends its data area.
func (s *segment) enlargeLastFrame(h mp3.Header) error {
	header, err := h.Bytes()
	if err != nil {
		return err
	}
	f := &s.frames[len(s.frames)-1]
	copy(s.data[f.offset:], header[:])
	added := h.FrameSize() - f.size
	s.data = append(s.data, make([]byte, added)...)
	s.areaBytes += added
	f.header, f.size = h, h.FrameSize()
	return nil
}

// kept returns the frames that go into the MP3, and their bytes.
func (s *segment) kept() ([]frame, []byte) {
	frames := s.frames[s.start:]
	return frames, s.data[frames[0].offset:]
}
