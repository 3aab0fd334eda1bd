package convert

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// display shows the progress of each file if standard error is a terminal, and errors
// always. It is safe for concurrent use.
type display struct {
	stderr io.Writer
	bars   *mpb.Progress // nil if no progress is shown
	close  func()        // removes the bars; may be called twice
}

func newDisplay(stderr io.Writer, quiet bool) *display {
	d := &display{stderr: stderr, close: func() {}}
	f, ok := stderr.(*os.File)
	if ok && !quiet && term.IsTerminal(int(f.Fd())) {
		d.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(30), mpb.WithRefreshRate(150*time.Millisecond))
		d.close = sync.OnceFunc(d.bars.Shutdown)
	}
	return d
}

// message prints a line that only a person needs.
func (d *display) message(format string, args ...any) {
	if d.bars != nil {
		d.print(format, args...)
	}
}

// error prints a line that is always printed.
func (d *display) error(format string, args ...any) { d.print("mp3converter: "+format, args...) }

func (d *display) print(format string, args ...any) {
	line := printable(fmt.Sprintf(format, args...)) + "\n"
	if d.bars != nil {
		if _, err := d.bars.Write([]byte(line)); err == nil {
			return
		} // the bars are closed
	}
	_, _ = io.WriteString(d.stderr, line)
}

// printable replaces control characters: neither a server nor the name of a file may
// control the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// row is the bar of one file. A nil row shows nothing.
type row struct {
	bar   *mpb.Bar
	state atomic.Pointer[phase]
}

// phase is one part of the work on a file.
type phase struct {
	name  string
	bytes bool // otherwise percent
	begun time.Time
	start int64 // where it went on; -1 until it is known
}

const nameWidth = 28

// row adds a bar for a file.
func (d *display) row(path string) *row {
	if d.bars == nil {
		return nil
	}
	r := &row{}
	r.state.Store(&phase{})
	name := []rune(printable(filepath.Base(path)))
	if len(name) > nameWidth {
		name = append(name[:nameWidth-1], '…')
	}
	// A bar with a total of 0 is not complete when a phase reaches its total.
	r.bar = d.bars.AddBar(0, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(string(name), decor.WC{W: nameWidth + 1, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(r.describe)))
	return r
}

// phase begins a part of the work, which ends at total: bytes, or 100 percent.
func (r *row) phase(name string, total int64) {
	if r == nil {
		return
	}
	r.state.Store(&phase{name: name, bytes: name == "uploading" || name == "downloading", begun: time.Now(), start: -1})
	r.bar.SetTotal(total, false)
	r.bar.SetCurrent(0)
}

// set shows how far the phase is.
func (r *row) set(n int64) {
	if r != nil {
		r.bar.SetCurrent(n)
	}
}

// close removes the bar. What was printed before is shown.
func (r *row) close() {
	if r != nil {
		r.bar.Abort(true)
		r.bar.Wait()
	}
}

// describe is what stands behind the bar.
func (r *row) describe(s decor.Statistics) string {
	p := r.state.Load()
	switch {
	case p.bytes:
		return fmt.Sprintf(" %s %s of %s%s", p.name, size(s.Current), size(s.Total), p.rate(s.Current))
	case p.name == "converting":
		return fmt.Sprintf(" %s %d %%", p.name, s.Current)
	}
	return " " + p.name
}

// rate returns the average speed since the beginning of the phase.
func (p *phase) rate(n int64) string {
	if p.start < 0 {
		p.start = n // only the goroutine that draws calls this
		return ""
	}
	seconds := time.Since(p.begun).Seconds()
	if seconds < 1 || n <= p.start {
		return ""
	}
	return fmt.Sprintf(", %s/s", size(int64(float64(n-p.start)/seconds)))
}

// size formats a number of bytes.
func size(n int64) string { return fmt.Sprintf("% .1f", decor.SizeB1000(n)) }
