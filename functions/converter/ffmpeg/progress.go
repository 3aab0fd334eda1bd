package ffmpeg

import (
	"strconv"
	"strings"
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
	return &progressWriter{total: r.plan.estimate, set: func(done float64) {
		r.progress(from + int(done*float64(to-from)))
	}}
}

// progressWriter parses the output of ffmpeg's -progress.
type progressWriter struct {
	total time.Duration
	set   func(done float64) // 0 to 1
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
	if !ok || p.total <= 0 {
		return
	}
	if us, err := strconv.ParseInt(s, 10, 64); err == nil && us >= 0 {
		p.set(min(1, float64(us)*1000/float64(p.total)))
	}
}
