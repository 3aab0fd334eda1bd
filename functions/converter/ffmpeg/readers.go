package ffmpeg

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

// readerPool holds the readers of ended requests. ffmpeg seeks with a new request, often
// back to where an earlier one has read. A reader of the store has the data around its
// position in memory, a new one would read it again. The zero value is ready for use.
type readerPool struct {
	mu     sync.Mutex
	idle   []*videoReader
	closed bool
}

// maxIdle is how many idle readers are kept: each holds a few megabytes. ffmpeg alternates
// between the beginning, the index and the audio of a video.
const maxIdle = 3

// take returns the idle reader whose position is nearest to the given one, or nil.
func (p *readerPool) take(position int64) *videoReader {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	nearest := 0
	for i, r := range p.idle {
		if distance(r.position, position) < distance(p.idle[nearest].position, position) {
			nearest = i
		}
	}
	r := p.idle[nearest]
	p.idle = slices.Delete(p.idle, nearest, nearest+1)
	return r
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// put returns a reader to the pool.
func (p *readerPool) put(r *videoReader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) == maxIdle {
		r.Close()
		return
	}
	p.idle = append(p.idle, r)
}

// close closes the idle readers now, and the others when they are returned.
func (p *readerPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.idle {
		r.Close()
	}
	p.idle, p.closed = nil, true
}

// videoBody is the body of one response. It takes a reader when the first byte is read,
// because only then is the position known.
type videoBody struct {
	ctx    context.Context // of the conversion: the reader outlives the request
	store  *storeReads
	pool   *readerPool
	size   int64
	offset int64
	reader *videoReader // nil before the first Read
}

func (b *videoBody) Read(p []byte) (int, error) {
	if b.offset >= b.size {
		return 0, io.EOF
	}
	if b.reader == nil {
		if err := b.open(); err != nil {
			return 0, err
		}
	}
	n, err := b.reader.Read(p)
	b.offset += int64(n)
	b.reader.position = b.offset
	return n, err
}

// open takes a reader from the pool, or opens one, and sets its position.
func (b *videoBody) open() error {
	r := b.pool.take(b.offset)
	if r == nil {
		var err error
		if r, err = b.store.openVideo(b.ctx); err != nil {
			return err
		}
	}
	if _, err := r.Seek(b.offset, io.SeekStart); err != nil {
		r.Close()
		return err
	}
	b.reader = r
	return nil
}

// Seek is for http.ServeContent, which calls it before the first Read only.
func (b *videoBody) Seek(offset int64, whence int) (int64, error) {
	if b.reader != nil {
		return 0, errors.New("seek after read")
	}
	switch whence {
	case io.SeekCurrent:
		offset += b.offset
	case io.SeekEnd:
		offset += b.size
	}
	b.offset = offset
	return offset, nil
}

func (b *videoBody) close() {
	if b.reader != nil {
		b.pool.put(b.reader)
	}
}
