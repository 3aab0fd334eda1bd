package parallel

import (
	"fmt"
	"io"
	"math"

	"mp3converter/functions/converter/mp3"
)

// stream is the MP3 that is being written: a place for the Info frame, then
// frames. It adds up what that frame will say.
type stream struct {
	out    io.WriteSeeker
	params Params
	report func(samples int64)

	base  int64 // where the Info frame goes
	first mp3.Header
	head  int // length of the Info frame
	toc   mp3.TOCBuilder
	crc   uint16
	low   int // lowest bitrate
}

// write appends a piece.
func (s *stream) write(p *piece) error {
	frames := p.frames[p.from:]
	if s.head == 0 {
		if err := s.begin(frames[0].header); err != nil {
			return err
		}
	}
	for _, f := range frames {
		s.toc.Add(f.size)
		s.low = min(s.low, f.header.Bitrate)
	}
	data := p.data[frames[0].at:]
	s.crc = mp3.UpdateCRC(s.crc, data)
	if _, err := s.out.Write(data); err != nil {
		return err
	}
	if s.report != nil {
		s.report(max(s.toc.Frames()*int64(s.params.samplesPerFrame())-encoderDelay, 0))
	}
	return nil
}

// begin leaves room for the Info frame: an empty one, so that what is written
// so far can be played at any time.
func (s *stream) begin(h mp3.Header) error {
	base, err := s.out.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	frame, err := mp3.Tag{}.Frame(h)
	if err != nil {
		return err
	}
	s.base, s.first, s.head, s.low = base, h, len(frame), h.Bitrate
	_, err = s.out.Write(frame)
	return err
}

// finish writes the Info frame for music of that many samples, and leaves out
// at its end.
func (s *stream) finish(samples int64) (mp3.Tag, error) {
	frames := s.toc.Frames()
	tag := mp3.Tag{
		VBR: s.params.Bitrate == 0, Frames: frames, Bytes: min(s.toc.Bytes()+int64(s.head), math.MaxUint32),
		HasTOC: true, TOC: s.toc.Table(s.head), Quality: s.params.tagQuality(),
		HasLAME: true, Encoder: encoderName, Method: s.params.method(),
		Delay: encoderDelay, Padding: int(frames*int64(s.params.samplesPerFrame()) - encoderDelay - samples),
		Bitrate: s.low, Stereo: tagStereo(s.first), MusicCRC: s.crc, CRCValid: true,
	}
	if tag.Padding < 0 {
		return tag, fmt.Errorf("%d frames cannot hold %d samples", frames, samples)
	}
	frame, err := tag.Frame(s.first)
	if err != nil {
		return tag, err
	}
	if _, err := s.out.Seek(s.base, io.SeekStart); err != nil {
		return tag, err
	}
	if _, err := s.out.Write(frame); err != nil {
		return tag, err
	}
	_, err = s.out.Seek(0, io.SeekEnd)
	return tag, err
}

// encoderName is what goes into the header: players look for "LAME" before they
// trust delay and padding. 3.100 has been the library's version since 2017.
const encoderName = "LAME3.100"

// tagQuality is LAME's own formula for the header, with its default algorithm.
func (p Params) tagQuality() int {
	const algorithm = 3
	if p.Bitrate > 0 {
		return 100 - 10*4 - algorithm
	}
	return max(100-10*int(p.Quality)-algorithm, 0)
}

// method is the header's code: constant, or LAME's current VBR.
func (p Params) method() uint8 {
	if p.Bitrate > 0 {
		return 1
	}
	return 4
}

// tagStereo translates the frames' channel mode to the LAME header's.
func tagStereo(h mp3.Header) uint8 {
	switch h.Mode {
	case mp3.Mono:
		return 0
	case mp3.JointStereo:
		return 3
	case mp3.DualChannel:
		return 2
	}
	return 1
}
