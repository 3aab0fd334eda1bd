package parallel

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"mp3converter/functions/converter/mp3"
)

var (
	plain = mp3.Header{Version: mp3.MPEG1, Mode: mp3.Stereo, Bitrate: 128_000, SampleRate: 44100}
	top   = mp3.Header{Version: mp3.MPEG1, Mode: mp3.Stereo, Bitrate: 320_000, SampleRate: 44100}
	crc   = mp3.Header{Version: mp3.MPEG1, Mode: mp3.Stereo, Bitrate: 128_000, SampleRate: 44100, Protected: true}
)

// full is how many bytes of audio data fill a frame.
func full(h mp3.Header) int { return h.FrameSize() - h.DataOffset() }

// packed makes a piece as an encoder would: the audio data of frame i have as many
// bytes as size says, all of them mark, and begin where those of the frame before
// end, if that is not too far back.
func packed(t *testing.T, h mp3.Header, mark byte, frames int, size func(i int) int) *piece {
	t.Helper()
	area := full(h)
	data := bytes.Repeat([]byte{0xee}, frames*area)
	begins := make([]int, frames)
	for i, end := 0, 0; i < frames; i++ {
		begins[i] = max(end, i*area-511)
		end = begins[i] + size(i)
		copy(data[begins[i]:end], bytes.Repeat([]byte{mark}, size(i)))
	}
	p := &piece{}
	for i := range frames {
		if err := p.add(sideFrame(t, h, i*area-begins[i], size(i), data[i*area:(i+1)*area])); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// sideFrame makes one frame whose data begin so many bytes in front of it.
func sideFrame(t *testing.T, h mp3.Header, begin, size int, area []byte) mp3.Frame {
	t.Helper()
	head, err := h.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, h.DataOffset(), h.FrameSize())
	copy(b, head[:])
	side := b[h.DataOffset()-h.SideInfoSize():]
	side[0], side[1] = byte(begin>>1), byte(begin&1)<<7
	// The first two granules' lengths, twelve bits at bits 20 and 79.
	for i, bits := range []int{min(size*8, 4088), max(size*8-4088, 0)} {
		for n := range 12 {
			if at := 20 + 59*i + n; bits>>(11-n)&1 == 1 {
				side[at/8] |= 0x80 >> (at % 8)
			}
		}
	}
	return mp3.Frame{Header: h, Data: append(b, area...)}
}

func TestMeet(t *testing.T) {
	const long, at = Period + settle + overlap, Period + settle
	always := func(size int) func(int) int { return func(int) int { return size } }
	// b saves up until both have settled, and then fills its frames.
	borrower := func(h mp3.Header) *piece {
		return packed(t, h, 'b', 3*Period, func(i int) int {
			if i < settle {
				return full(h) * 2 / 3
			}
			return full(h)
		})
	}
	for _, tc := range []struct {
		name  string
		a, b  *piece
		joint int // frames after the first possible
		wide  int // bitrate of the frame in front of it
		err   error
	}{
		{"room at once", packed(t, plain, 'a', long, always(300)), borrower(plain), 0, 128_000, nil},
		{"room later", packed(t, plain, 'a', long, func(i int) int {
			if i == at+5 || i == at+6 {
				return 100
			}
			return full(plain)
		}), borrower(plain), 7, 128_000, nil},
		{"nothing to borrow", packed(t, top, 'a', long, always(full(top))), packed(t, top, 'b', 3*Period, always(full(top))), 0, 320_000, nil},
		{"room is made", packed(t, plain, 'a', long, always(full(plain))), borrower(plain), 0, 320_000, nil},
		{"no room at the top", packed(t, top, 'a', long, always(full(top))), borrower(top), 0, 0, ErrNoRoom},
		{"no room under a checksum", packed(t, crc, 'a', long, always(full(crc))), borrower(crc), 0, 0, ErrNoRoom},
		{"second ended early", packed(t, plain, 'a', long, always(300)), packed(t, plain, 'b', settle, always(300)), 0, 0, ErrNoRoom},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.a.meet(tc.b); !errors.Is(err, tc.err) {
				t.Fatalf("%v, want %v", err, tc.err)
			} else if err != nil {
				return
			}
			if n := len(tc.a.frames) - at; n != tc.joint || tc.b.from != settle+n {
				t.Errorf("joined before frame %d of the first and %d of the second, want %d and %d", n+at, tc.b.from, tc.joint+at, tc.joint+settle)
			}
			if got := tc.a.frames[len(tc.a.frames)-1].header.Bitrate; got != tc.wide {
				t.Errorf("the frame in front of the joint has %d bit/s, want %d", got, tc.wide)
			}
			checkMarks(t, tc.a, tc.b)
		})
	}
}

// checkMarks reads two joined pieces as a decoder does, and finds in each frame the
// audio data that its encoder put there.
func checkMarks(t *testing.T, a, b *piece) {
	t.Helper()
	r := mp3.NewReader(bytes.NewReader(append(bytes.Clone(a.data), b.data[b.frames[b.from].at:]...)))
	var stream []byte
	for i := range len(a.frames) + len(b.frames) - b.from {
		f, err := r.Next()
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		side, err := mp3.ParseSide(f.Header, f.Data)
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
			t.Fatalf("frame %d of piece %c has lost its audio data", i, mark)
		}
	}
}

func TestOverlappingFramesAreRefused(t *testing.T) {
	area := make([]byte, full(plain))
	for _, tc := range []struct {
		begin, size int
		err         error
	}{
		{0, 381, nil},
		{81, 381, nil},
		{82, 381, ErrOverlap}, // within the frame before
		{0, 382, ErrOverlap},  // behind its own slot
		{81, 463, ErrOverlap},
	} {
		t.Run(fmt.Sprint(tc.begin, tc.size), func(t *testing.T) {
			var p piece
			if err := p.add(sideFrame(t, plain, 0, 300, area)); err != nil {
				t.Fatal(err)
			}
			if err := p.add(sideFrame(t, plain, tc.begin, tc.size, area)); !errors.Is(err, tc.err) {
				t.Errorf("%v, want %v", err, tc.err)
			}
		})
	}
}
