package parallel

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// chunk is the PCM that one encoder gets at a time. Its first sharedFrames frames are
// the last ones of the chunk before it.
type chunk struct {
	index int
	pcm   []byte
	last  bool // pcm reaches the end of the audio
}

// chunker reads the PCM once and cuts it into chunks. Its buffers come from a fixed
// set, so memory is bounded, and a decoder that is faster than the encoders has to
// wait for them.
type chunker struct {
	pcm            io.Reader
	frameBytes     int
	bytesPerSample int
	chunkFrames    int
	free           chan []byte
	buffers        [][]byte // all that were allocated
	bytesRead      int64
}

func newChunker(pcm io.Reader, c Config, p Params) *chunker {
	free := make(chan []byte, buffers(c.Workers))
	for range cap(free) {
		free <- nil // allocated on first use: short inputs need few
	}
	return &chunker{
		pcm: pcm, frameBytes: p.frameBytes(), bytesPerSample: p.bytesPerSample(),
		chunkFrames: c.chunkFrames, free: free,
	}
}

// run sends the chunks to the encoders' queues until the PCM ends. It fails if the PCM
// is empty or ends within a sample. Encoders take strict turns: the output for a
// chunk depends slightly on the chunk that its encoder had before, and the same input
// must always make the same file.
func (c *chunker) run(ctx context.Context, queues []chan chunk) error {
	defer func() {
		for _, q := range queues {
			close(q)
		}
	}()
	var shared []byte // the end of the previous chunk
	for k := 0; ; k++ {
		buf, err := c.freeBuffer(ctx)
		if err != nil {
			return err
		}
		n := copy(buf, shared)
		read, err := io.ReadFull(c.pcm, buf[n:])
		c.bytesRead += int64(read)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("reading PCM: %w", err)
		}
		if c.bytesRead%int64(c.bytesPerSample) != 0 && last {
			return fmt.Errorf("%w: %d bytes end within a sample", ErrIncomplete, c.bytesRead)
		}
		if c.bytesRead == 0 {
			return fmt.Errorf("%w: no audio", ErrIncomplete)
		}
		ch := chunk{index: k, pcm: buf[:n+read], last: last}
		if !last {
			shared = append(shared[:0], ch.pcm[len(ch.pcm)-sharedFrames*c.frameBytes:]...)
		}
		select {
		case queues[k%len(queues)] <- ch:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if last {
			return nil
		}
	}
}

// freeBuffer waits for a buffer that no encoder is using.
func (c *chunker) freeBuffer(ctx context.Context) ([]byte, error) {
	select {
	case buf := <-c.free:
		if buf == nil {
			var err error
			if buf, err = allocate((c.chunkFrames + sharedFrames) * c.frameBytes); err != nil {
				return nil, fmt.Errorf("allocating memory for PCM: %w", err)
			}
			c.buffers = append(c.buffers, buf)
		}
		return buf[:cap(buf)], nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// releaseBuffers frees the memory. Chunker and encoders must have ended.
func (c *chunker) releaseBuffers() {
	for _, b := range c.buffers {
		release(b)
	}
}
