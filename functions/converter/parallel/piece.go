package parallel

import (
	"errors"
	"fmt"

	"mp3converter/functions/converter/mp3"
)

// ErrOverlap says that two frames claim the same bytes: no decoder could play
// them both.
var ErrOverlap = errors.New("audio data of two frames overlap")

// piece is what an encoder made of one chunk, with the frames at both ends that
// the chunks beside it have too.
type piece struct {
	index  int
	last   bool
	from   int // the first frame that is not in the piece before
	frames []frame
	data   []byte // of all frames
	main   int    // length of their data areas
}

// frame is one frame of a piece. What stands behind the side information of
// every frame, its data area, makes one stream in which the audio data of the
// frames follow each other: the bit reservoir. main, begin and end are places in
// that stream, counted from the beginning of the piece.
type frame struct {
	header mp3.Header
	at     int // of the header in the piece's data
	area   int // of the data area in the piece's data
	size   int // of the whole frame
	main   int // where its data area begins
	begin  int // where its audio data begin: in front of main by what is borrowed
	end    int // and end
}

// add appends one frame.
func (p *piece) add(f mp3.Frame) error {
	side, err := mp3.ParseSide(f.Header, f.Data)
	if err != nil {
		return err
	}
	n := frame{header: f.Header, at: len(p.data), size: len(f.Data), main: p.main, begin: p.main - side.MainDataBegin}
	n.area = n.at + f.Header.DataOffset()
	n.end = n.begin + (side.MainDataBits+7)/8
	p.data = append(p.data, f.Data...)
	p.main += len(p.data) - n.area
	if n.end > p.main || len(p.frames) > 0 && n.begin < p.frames[len(p.frames)-1].end {
		return fmt.Errorf("piece %d, frame %d: %w", p.index, len(p.frames), ErrOverlap)
	}
	p.frames = append(p.frames, n)
	return nil
}

// room is how many bytes in front of frame n no frame before it needs, of those
// that are in this piece's share of the file.
func (p *piece) room(n int) int {
	main := p.main
	if n < len(p.frames) {
		main = p.frames[n].main
	}
	return main - max(p.frames[n-1].end, p.frames[p.from].main)
}

// borrowed copies the audio data of frame n that stand in front of it.
func (p *piece) borrowed(n int) []byte {
	out := make([]byte, p.frames[n].main-p.frames[n].begin)
	for rest := out; len(rest) > 0; {
		n--
		area := p.area(n)
		size := min(len(area), len(rest))
		copy(rest[len(rest)-size:], area[len(area)-size:])
		rest = rest[:len(rest)-size]
	}
	return out
}

// lend overwrites the end of the last data areas.
func (p *piece) lend(b []byte) {
	for n := len(p.frames) - 1; len(b) > 0; n-- {
		area := p.area(n)
		size := min(len(area), len(b))
		copy(area[len(area)-size:], b[len(b)-size:])
		b = b[:len(b)-size]
	}
}

func (p *piece) area(n int) []byte {
	f := p.frames[n]
	return p.data[f.area : f.at+f.size]
}

// cut drops frame n and all behind it.
func (p *piece) cut(n int) {
	if n == len(p.frames) {
		return
	}
	p.data, p.main = p.data[:p.frames[n].at], p.frames[n].main
	p.frames = p.frames[:n]
}

// widen gives the last frame another header, and the room that it promises.
func (p *piece) widen(h mp3.Header) error {
	head, err := h.Bytes()
	if err != nil {
		return err
	}
	f := &p.frames[len(p.frames)-1]
	copy(p.data[f.at:], head[:])
	grown := h.FrameSize() - f.size
	p.data = append(p.data, make([]byte, grown)...)
	p.main += grown
	f.header, f.size = h, h.FrameSize()
	return nil
}
