package parallel

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"mp3converter/functions/converter/mp3"
)

var (
	cbr128  = mp3.Header{Version: mp3.MPEG1, Mode: mp3.Stereo, Bitrate: 128_000, SampleRate: 44100}
	cbr320  = mp3.Header{Version: mp3.MPEG1, Mode: mp3.Stereo, Bitrate: 320_000, SampleRate: 44100}
	withCRC = mp3.Header{Version: mp3.MPEG1, Mode: mp3.Stereo, Bitrate: 128_000, SampleRate: 44100, Protected: true}
)

// areaSize returns the size of a frame's data area.
func areaSize(h mp3.Header) int { return h.FrameSize() - h.DataOffset() }

// newSegment makes a segment as an encoder would. The main data of frame i is size(i)
// bytes, all of them mark. It begins where that of the frame before ends, or as far
// back as possible.
func newSegment(t *testing.T, h mp3.Header, mark byte, frames int, size func(i int) int) *segment {
	t.Helper()
	area := areaSize(h)
	data := bytes.Repeat([]byte{0xee}, frames*area)
	begins := make([]int, frames)
	for i, end := 0, 0; i < frames; i++ {
		begins[i] = max(end, i*area-511)
		end = begins[i] + size(i)
		copy(data[begins[i]:end], bytes.Repeat([]byte{mark}, size(i)))
	}
	s := &segment{}
	for i := range frames {
		if err := s.add(newFrame(t, h, i*area-begins[i], size(i), data[i*area:(i+1)*area])); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// newFrame makes a frame whose main data begin so many bytes before its data area.
func newFrame(t *testing.T, h mp3.Header, begin, size int, area []byte) mp3.Frame {
	t.Helper()
	head, err := h.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, h.DataOffset(), h.FrameSize())
	copy(b, head[:])
	side := b[h.DataOffset()-h.SideInfoSize():]
	side[0], side[1] = byte(begin>>1), byte(begin&1)<<7
	// part2_3_length of the first two granules: twelve bits at bits 20 and 79.
	for i, bits := range []int{min(size*8, 4088), max(size*8-4088, 0)} {
		for n := range 12 {
			if at := 20 + 59*i + n; bits>>(11-n)&1 == 1 {
				side[at/8] |= 0x80 >> (at % 8)
			}
		}
	}
	return mp3.Frame{Header: h, Data: append(b, area...)}
}

func TestSplice(t *testing.T) {
	const long, first = paddingPeriod + warmUpFrames + overlapFrames, paddingPeriod + warmUpFrames
	always := func(size int) func(int) int { return func(int) int { return size } }
	// borrower saves bytes during the warm-up, and borrows them in the overlap.
	borrower := func(h mp3.Header) *segment {
		return newSegment(t, h, 'b', 3*paddingPeriod, func(i int) int {
			if i < warmUpFrames {
				return areaSize(h) * 2 / 3
			}
			return areaSize(h)
		})
	}
	for _, tc := range []struct {
		name    string
		a, b    *segment
		frame   int // the splice point: frames after the first possible one
		bitrate int // of the frame before it
		err     error
	}{
		{"space at the first frame", newSegment(t, cbr128, 'a', long, always(300)), borrower(cbr128), 0, 128_000, nil},
		{"space at a later frame", newSegment(t, cbr128, 'a', long, func(i int) int {
			if i == first+5 || i == first+6 {
				return 100
			}
			return areaSize(cbr128)
		}), borrower(cbr128), 7, 128_000, nil},
		{"nothing to borrow", newSegment(t, cbr320, 'a', long, always(areaSize(cbr320))), newSegment(t, cbr320, 'b', 3*paddingPeriod, always(areaSize(cbr320))), 0, 320_000, nil},
		{"enlarged frame", newSegment(t, cbr128, 'a', long, always(areaSize(cbr128))), borrower(cbr128), 0, 320_000, nil},
		{"no space at the highest bitrate", newSegment(t, cbr320, 'a', long, always(areaSize(cbr320))), borrower(cbr320), 0, 0, ErrNoSplicePoint},
		{"no space with a CRC", newSegment(t, withCRC, 'a', long, always(areaSize(withCRC))), borrower(withCRC), 0, 0, ErrNoSplicePoint},
		{"second encoder ended early", newSegment(t, cbr128, 'a', long, always(300)), newSegment(t, cbr128, 'b', warmUpFrames, always(300)), 0, 0, ErrNoSplicePoint},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.a.splice(tc.b); !errors.Is(err, tc.err) {
				t.Fatalf("%v, want %v", err, tc.err)
			} else if err != nil {
				return
			}
			if n := len(tc.a.frames) - first; n != tc.frame || tc.b.start != warmUpFrames+n {
				t.Errorf("spliced at frame %d of the first and %d of the second, want %d and %d", n+first, tc.b.start, tc.frame+first, tc.frame+warmUpFrames)
			}
			if got := tc.a.frames[len(tc.a.frames)-1].header.Bitrate; got != tc.bitrate {
				t.Errorf("the frame before the splice point has %d bit/s, want %d", got, tc.bitrate)
			}
			checkMainData(t, tc.a, tc.b)
		})
	}
}

// checkMainData reads two spliced segments as a decoder does, and checks that each frame
// has the main data that its encoder gave it.
func checkMainData(t *testing.T, a, b *segment) {
	t.Helper()
	r := mp3.NewReader(bytes.NewReader(append(bytes.Clone(a.data), b.data[b.frames[b.start].offset:]...)))
	var stream []byte
	for i := range len(a.frames) + len(b.frames) - b.start {
		f, err := r.Next()
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		side, err := mp3.ParseSideInfo(f.Header, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		begin := len(stream) - side.MainDataBegin
		stream = append(stream, f.Data[f.Header.DataOffset():]...)
		mark := byte('a')
		if i >= len(a.frames) {
			mark = 'b'
		}
		end := begin + side.MainDataBits/8
		if begin < 0 || end > len(stream) || bytes.Count(stream[begin:end], []byte{mark}) != end-begin {
			t.Fatalf("frame %d of segment %c has wrong main data", i, mark)
		}
	}
}

func TestOverlappingMainData(t *testing.T) {
	area := make([]byte, areaSize(cbr128))
	for _, tc := range []struct {
		begin, size int
		err         error
	}{
		{0, 381, nil},
		{81, 381, nil},
		{82, 381, ErrOverlap}, // begins within the previous frame's main data
		{0, 382, ErrOverlap},  // ends after its own data area
		{81, 463, ErrOverlap},
	} {
		t.Run(fmt.Sprint(tc.begin, tc.size), func(t *testing.T) {
			var s segment
			if err := s.add(newFrame(t, cbr128, 0, 300, area)); err != nil {
				t.Fatal(err)
			}
			if err := s.add(newFrame(t, cbr128, tc.begin, tc.size, area)); !errors.Is(err, tc.err) {
				t.Errorf("%v, want %v", err, tc.err)
			}
		})
	}
}
