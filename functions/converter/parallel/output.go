package parallel

import (
	"fmt"
	"io"
	"math"

	"mp3converter/functions/converter/mp3"
)

// encoderDelay is how many samples LAME adds in front of the audio. Decoders add
// mp3.DecoderDelay.
const encoderDelay = 576

// encoderName goes into the LAME extension: players look for "LAME" before they trust
// delay and padding. 3.100 has been the library's version since 2017.
const encoderName = "LAME3.100"

// output is the MP3 that is being written: a placeholder for the Xing frame, then the
// frames of the segments. It collects the content of the Xing frame.
type output struct {
	w        io.WriteSeeker
	params   Params
	progress func(samples int64)

	start    int64 // position of the Xing frame in w
	xingSize int   // size of the Xing frame; 0 before the first segment
	header   mp3.Header
	toc      mp3.TOCBuilder
	crc      uint16
	minimum  int // lowest bitrate so far
}

// bytes is the length of the MP3.
func (o *output) bytes() int64 { return o.toc.Bytes() + int64(o.xingSize) }

// write appends a segment.
func (o *output) write(s *segment) error {
	frames, data := s.kept()
	if o.xingSize == 0 {
		if err := o.writePlaceholder(frames[0].header); err != nil {
			return err
		}
	}
	for _, f := range frames {
		o.toc.Add(f.size)
		o.minimum = min(o.minimum, f.header.Bitrate)
	}
	o.crc = mp3.UpdateCRC(o.crc, data)
	if _, err := o.w.Write(data); err != nil {
		return err
	}
	if o.progress != nil {
		o.progress(max(o.toc.Frames()*int64(o.params.samplesPerFrame())-encoderDelay, 0))
	}
	return nil
}

// writePlaceholder writes an empty Xing frame. It reserves the space and keeps an
// unfinished file playable.
func (o *output) writePlaceholder(first mp3.Header) error {
	start, err := o.w.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	frame, err := mp3.XingHeader{}.Frame(first)
	if err != nil {
		return err
	}
	o.start, o.header, o.xingSize, o.minimum = start, first, len(frame), first.Bitrate
	_, err = o.w.Write(frame)
	return err
}

// writeXingFrame replaces the placeholder by the Xing frame for audio of that many
// samples, and seeks to the end.
func (o *output) writeXingFrame(samples int64) (mp3.XingHeader, error) {
	frames := o.toc.Frames()
	xing := mp3.XingHeader{
		VBR: o.params.Bitrate == 0, Frames: frames, Bytes: min(o.bytes(), math.MaxUint32),
		HasTOC: true, TOC: o.toc.Table(o.xingSize), Quality: o.params.xingQuality(),
		HasLAME: true, Encoder: encoderName, Method: o.params.lameMethod(),
		Delay: encoderDelay, Padding: int(frames*int64(o.params.samplesPerFrame()) - encoderDelay - samples),
		Bitrate: o.minimum, Stereo: lameStereo(o.header), MusicCRC: o.crc, CRCValid: true,
	}
	if xing.Padding < 0 {
		return xing, fmt.Errorf("%d frames cannot hold %d samples", frames, samples)
	}
	frame, err := xing.Frame(o.header)
	if err != nil {
		return xing, err
	}
	if _, err := o.w.Seek(o.start, io.SeekStart); err != nil {
		return xing, err
	}
	if _, err := o.w.Write(frame); err != nil {
		return xing, err
	}
	_, err = o.w.Seek(0, io.SeekEnd)
	return xing, err
}

// xingQuality returns the quality field as LAME computes it: 100, less ten times the VBR
// quality, less the quality of the algorithm. LAME's defaults are 4 and 3.
func (p Params) xingQuality() int {
	const vbrQuality, algorithm = 4, 3
	if p.Bitrate > 0 {
		return 100 - 10*vbrQuality - algorithm
	}
	return max(100-10*int(p.Quality)-algorithm, 0)
}

// lameMethod is the LAME extension's code for constant bitrate or LAME's current VBR.
func (p Params) lameMethod() uint8 {
	if p.Bitrate > 0 {
		return 1
	}
	return 4
}

// lameStereo converts a frame's channel mode to the LAME extension's code.
func lameStereo(h mp3.Header) uint8 {
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
