package splice

import (
	"fmt"

	"mp3converter/functions/converter/mp3"
)

// piece is a run of frames that is ready to be joined.
type piece struct {
	index int
	last  bool
	first mp3.Header
	low   int // lowest bitrate
	data  []byte
	sizes []int // of each frame
}

// add appends one frame, if it stands alone.
func (p *piece) add(f mp3.Frame) error {
	side, err := mp3.ParseSide(f.Header, f.Data)
	if err != nil {
		return err
	}
	if side.MainDataBegin != 0 {
		return fmt.Errorf("piece %d, frame %d: %w", p.index, len(p.sizes), ErrReservoir)
	}
	if len(p.sizes) == 0 {
		p.first, p.low = f.Header, f.Header.Bitrate
	}
	p.low = min(p.low, f.Header.Bitrate)
	p.data = append(p.data, f.Data...)
	p.sizes = append(p.sizes, len(f.Data))
	return nil
}
