package mp3

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Scanned is what walking over every frame of a file found.
type Scanned struct {
	Info
	// Junk is how many bytes between the ID3v2 tags and the end belong to no
	// frame; trailing tags count.
	Junk int64
	// MinBitrate and MaxBitrate are the extremes over the music frames.
	MinBitrate, MaxBitrate int
	// MusicCRC is the checksum over all music frames, as the LAME header has it.
	MusicCRC uint16
	// Truncated tells that the last frame is not all there.
	Truncated bool
}

// Scan walks over every frame of a file and counts. Its Frames, Bytes and
// Bitrate are what is there, whatever the Xing header claims; that claim stays
// in Tag. Each byte is looked at a constant number of times.
func Scan(r io.ReadSeeker) (Scanned, error) {
	at, err := skipTags(r)
	if err != nil {
		return Scanned{}, err
	}
	s := scanner{r: bufio.NewReaderSize(r, 64<<10), at: at}
	for {
		err := s.step()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Scanned{}, fmt.Errorf("reading at %d: %w", s.at, err)
		}
	}
	if !s.found {
		return Scanned{}, ErrNotMP3
	}
	s.out.VBR = s.out.VBR || s.out.MinBitrate != s.out.MaxBitrate
	s.out.Exact = true
	s.out.average()
	return s.out, nil
}

type scanner struct {
	r     *bufio.Reader
	at    int64
	out   Scanned
	found bool
	sync  bool // the byte before belonged to a frame
}

// step takes one frame, or one byte of junk.
func (s *scanner) step() error {
	head, err := s.r.Peek(HeaderSize)
	if len(head) < HeaderSize {
		s.out.Junk += int64(len(head))
		return err
	}
	h, err := ParseHeader(head)
	if err != nil || h.FrameSize() < h.DataOffset() || s.found && !h.sameStream(s.out.First) {
		return s.junk()
	}
	// Out of step, a header counts only if another one follows its frame. One
	// look ahead of bounded length for each byte keeps the work linear.
	b, err := s.r.Peek(h.FrameSize() + HeaderSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(b) < h.FrameSize() {
		s.out.Truncated = s.sync
		return s.junk()
	}
	if !s.sync && len(b) != h.FrameSize() && !follows(b[h.FrameSize():], h) {
		return s.junk()
	}
	s.frame(h, b[:h.FrameSize()])
	n, err := s.r.Discard(h.FrameSize())
	s.at += int64(n)
	return err
}

func (s *scanner) junk() error {
	s.sync = false
	s.out.Junk++
	s.at++
	_, err := s.r.Discard(1)
	return err
}

func (s *scanner) frame(h Header, data []byte) {
	s.sync = true
	if !s.found {
		s.found = true
		s.out.Info = newInfo(h, s.at)
		if tag, err := ParseTag(data); err == nil {
			s.out.Tag, s.out.HasTag, s.out.VBR = tag, true, tag.VBR
			return
		}
	}
	if s.out.Frames == 0 {
		s.out.MinBitrate = h.Bitrate
	}
	s.out.MinBitrate = min(s.out.MinBitrate, h.Bitrate)
	s.out.MaxBitrate = max(s.out.MaxBitrate, h.Bitrate)
	s.out.MusicCRC = UpdateCRC(s.out.MusicCRC, data)
	s.out.Frames++
	s.out.Bytes += int64(len(data))
}
