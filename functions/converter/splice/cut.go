package splice

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// chunk is a piece of PCM on its way to an encoder. It has its first frames in
// common with the chunk before, and its last ones with the chunk behind it.
type chunk struct {
	index int
	pcm   []byte
	last  bool // pcm reaches the end of the music
}

// cutter reads the PCM once, from front to back, and cuts it into chunks. Its
// buffers come from a fixed set, so that memory is bounded and a reader that is
// faster than the encoders waits for them.
type cutter struct {
	pcm        io.Reader
	frameBytes int
	align      int // bytes of one sample of all channels
	piece      int // frames
	free       chan []byte
	bytes      int64 // read so far
}

func newCutter(pcm io.Reader, c Config, p Params) *cutter {
	// One buffer for each encoder, and one that is filled meanwhile: the decoder
	// is so much faster that it waits long before anybody needs it.
	free := make(chan []byte, c.Workers+1)
	for range cap(free) {
		free <- nil // made when first used: short inputs need few
	}
	return &cutter{
		pcm: pcm, frameBytes: p.frameBytes(), align: p.sampleBytes(),
		piece: c.Piece, free: free,
	}
}

// run sends chunks to out until the PCM ends. It fails on PCM that is empty, or
// ends within a sample.
func (c *cutter) run(ctx context.Context, out chan<- chunk) error {
	defer close(out)
	var tail []byte // the end of the chunk before, which the next begins with
	for k := 0; ; k++ {
		buf, err := c.buffer(ctx)
		if err != nil {
			return err
		}
		n := copy(buf, tail)
		read, err := io.ReadFull(c.pcm, buf[n:])
		c.bytes += int64(read)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("reading PCM: %w", err)
		}
		if c.bytes%int64(c.align) != 0 && last {
			return fmt.Errorf("PCM of %d bytes ends within a sample", c.bytes)
		}
		if c.bytes == 0 {
			return ErrNoAudio
		}
		ch := chunk{index: k, pcm: buf[:n+read], last: last}
		if !last {
			tail = append(tail[:0], ch.pcm[len(ch.pcm)-shared*c.frameBytes:]...)
		}
		select {
		case out <- ch:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if last {
			return nil
		}
	}
}

// buffer waits for a free buffer.
func (c *cutter) buffer(ctx context.Context) ([]byte, error) {
	select {
	case buf := <-c.free:
		if buf == nil {
			buf = make([]byte, (c.piece+shared)*c.frameBytes)
		}
		return buf[:cap(buf)], nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
