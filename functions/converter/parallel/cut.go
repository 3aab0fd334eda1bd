package parallel

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
	made       [][]byte // all buffers there are
	bytes      int64    // read so far
}

func newCutter(pcm io.Reader, c Config, p Params) *cutter {
	// One buffer for each encoder, one waiting, one being filled.
	free := make(chan []byte, c.Workers+2)
	for range cap(free) {
		free <- nil // made when first used: short inputs need few
	}
	return &cutter{
		pcm: pcm, frameBytes: p.frameBytes(), align: p.sampleBytes(),
		piece: c.Piece, free: free,
	}
}

// run deals chunks out to the encoders until the PCM ends. It fails on PCM that is
// empty, or ends within a sample. Each gets its turn, because what an encoder makes
// of a chunk depends a little on the one before: so the same sound always makes the
// same file.
func (c *cutter) run(ctx context.Context, out []chan chunk) error {
	defer func() {
		for _, o := range out {
			close(o)
		}
	}()
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
		case out[k%len(out)] <- ch:
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
			var err error
			if buf, err = allocate((c.piece + shared) * c.frameBytes); err != nil {
				return nil, fmt.Errorf("memory for PCM: %w", err)
			}
			c.made = append(c.made, buf)
		}
		return buf[:cap(buf)], nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// release gives the buffers back, when cutter and encoders are done.
func (c *cutter) release() {
	for _, b := range c.made {
		release(b)
	}
}
