package ffmpeg

import (
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// encodeStart returns the percentage at which encoding starts. It is above 0 if the
// loudness is measured first.
func (r *conversionRun) encodeStart() int {
	if r.options.Normalize {
		return 40
	}
	return 0
}

func (r *conversionRun) progressWriter(from, to int) *progressWriter {
	return &progressWriter{total: r.plan.estimate, sound: &r.sound, set: func(done float64) {
		r.progress(from + int(done*float64(to-from)))
	}}
}

// progressWriter parses the output of ffmpeg's -progress.
type progressWriter struct {
	total time.Duration
	set   func(done float64) // 0 to 1; not called if total is 0
	sound *atomic.Int64      // nanoseconds done; may be nil
	line  []byte
}

func (p *progressWriter) Write(b []byte) (int, error) {
	for _, c := range b {
		switch {
		case c == '\n':
			p.parse(string(p.line))
			p.line = p.line[:0]
		case len(p.line) < 200:
			p.line = append(p.line, c)
		}
	}
	return len(b), nil
}

func (p *progressWriter) parse(line string) {
	s, ok := strings.CutPrefix(line, "out_time_us=")
	us, err := strconv.ParseInt(s, 10, 64)
	if !ok || err != nil || us < 0 || us > math.MaxInt64/1000 {
		return
	}
	if p.sound != nil {
		p.sound.Store(us * 1000)
	}
	if p.total > 0 {
		p.set(min(1, float64(us)*1000/float64(p.total)))
	}
}
