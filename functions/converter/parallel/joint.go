package parallel

import "errors"

// ErrNoRoom says that two pieces cannot be joined, because the first one's frames
// are as large as frames can be, and full.
var ErrNoRoom = errors.New("no room in the bit reservoir")

// meet joins two pieces: from one frame on, b's take the place of a's. That frame
// begins in the bit reservoir, in frames of b that are not kept; what stands there
// moves into the room that a's frames left over. Nothing else changes.
//
// Any frame that both have will do. Best is the first with room enough. Where
// none has, the frame in front of one is made larger, as if the encoder had
// chosen another bitrate for it.
func (a *piece) meet(b *piece) error {
	at := len(a.frames) - overlap // here both encoders have settled
	for i := range overlap + 1 {
		if need, ok := b.need(settle + i); ok && a.room(at+i) >= need {
			a.join(b, at+i, settle+i)
			return nil
		}
	}
	for i := range overlap + 1 {
		need, ok := b.need(settle + i)
		if !ok {
			continue
		}
		before := a.frames[at+i-1].header
		wide, ok := before.Widen(need - a.room(at+i))
		if !ok {
			continue
		}
		a.cut(at + i)
		if err := a.widen(wide); err != nil {
			return err
		}
		a.join(b, at+i, settle+i)
		return nil
	}
	return ErrNoRoom
}

// need is how much frame n borrows; ok tells that it is there, with all of that.
func (p *piece) need(n int) (size int, ok bool) {
	if n >= len(p.frames) {
		return 0, false // an encoder that ended early, and will be found out
	}
	f := p.frames[n]
	return f.main - f.begin, f.begin >= 0
}

// join ends a before its frame m, and lets b begin with its frame n.
func (a *piece) join(b *piece, m, n int) {
	a.cut(m)
	a.lend(b.borrowed(n))
	b.from = n
}
