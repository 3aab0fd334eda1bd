package parallel

import "errors"

// ErrNoSplicePoint means that two segments cannot be joined, because the frames of the
// earlier one have no unused space and cannot be made larger.
var ErrNoSplicePoint = errors.New("no splice point: the bit reservoir has no unused space")

// splice joins two segments at a splice point: from this frame on, those of next
// replace those of s. The main data that the frame borrows lie in frames of next that
// are dropped; they are copied into unused space at the end of s.
//
// Any overlap frame, or the frame after them, can be the splice point. The first one
// with enough unused space is taken. If none has, the frame before one of them is made
// larger, as if the encoder had chosen a higher bitrate for it.
func (s *segment) splice(next *segment) error {
	first := len(s.frames) - overlapFrames // both encoders are warmed up from here on
	for i := range overlapFrames + 1 {
		borrowed, ok := next.borrowedBytes(warmUpFrames + i)
		if ok && s.unusedBefore(first+i) >= borrowed {
			s.spliceAt(first+i, next, warmUpFrames+i)
			return nil
		}
	}
	for i := range overlapFrames + 1 {
		borrowed, ok := next.borrowedBytes(warmUpFrames + i)
		if !ok {
			continue
		}
		larger, ok := s.frames[first+i-1].header.Enlarge(borrowed - s.unusedBefore(first+i))
		if !ok {
			continue
		}
		s.truncate(first + i)
		if err := s.enlargeLastFrame(larger); err != nil {
			return err
		}
		s.spliceAt(first+i, next, warmUpFrames+i)
		return nil
	}
	return ErrNoSplicePoint
}

// spliceAt ends s before its frame n and starts next with its frame m.
func (s *segment) spliceAt(n int, next *segment, m int) {
	s.truncate(n)
	s.fillReservoir(next.borrowedData(m))
	next.start = m
}
