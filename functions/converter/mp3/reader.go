package mp3

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Frame is one frame of a stream. Data is valid until the next call of Next.
type Frame struct {
	Header Header
	Data   []byte
}

// Reader reads the frames of a stream that has no gaps and no tags, as an encoder
// writes it.
type Reader struct {
	r     *bufio.Reader
	first Header
	n     int64
}

// NewReader reads frames from r, which begins with a frame.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10)}
}

// Next returns the next frame, or io.EOF after the last one. The error wraps ErrHeader
// if the next bytes are not a frame of the same stream.
func (r *Reader) Next() (Frame, error) {
	head, err := r.r.Peek(HeaderSize)
	if len(head) == 0 && errors.Is(err, io.EOF) {
		return Frame{}, io.EOF
	}
	if len(head) < HeaderSize {
		return Frame{}, fmt.Errorf("frame %d: %w", r.n, unexpectedEOF(err))
	}
	h, err := ParseHeader(head)
	if err == nil && r.n > 0 && !h.sameStream(r.first) {
		err = fmt.Errorf("%w: %s, %d Hz, %d channels within a stream of %s, %d Hz, %d channels", ErrHeader,
			h.Version, h.SampleRate, h.Channels(), r.first.Version, r.first.SampleRate, r.first.Channels())
	}
	if err != nil {
		return Frame{}, fmt.Errorf("frame %d: %w", r.n, err)
	}
	data, err := r.r.Peek(h.FrameSize())
	if len(data) < h.FrameSize() {
		return Frame{}, fmt.Errorf("frame %d: %w", r.n, unexpectedEOF(err))
	}
	if _, err := r.r.Discard(len(data)); err != nil {
		return Frame{}, fmt.Errorf("frame %d: %w", r.n, err)
	}
	if r.n == 0 {
		r.first = h
	}
	r.n++
	return Frame{Header: h, Data: data}, nil
}

func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
