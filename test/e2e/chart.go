package main

import (
	"fmt"
	"math"
	"strings"
)

// curve is one series of a panel.
type curve struct {
	name   string
	colour string
	value  func(sample) float64
	steps  bool // drawn as steps: counts that do not change gradually
}

// panels are drawn one above the other, with a common time axis.
var panels = []struct {
	title  string
	curves []curve
}{
	{"messages in the queue video", []curve{
		{"waiting", "#1f77b4", func(m sample) float64 { return m.Waiting }, false},
		{"delivered to the source", "#aec7e8", func(m sample) float64 { return m.Delivered }, false},
	}},
	{"pods", []curve{
		{"converter", "#d62728", func(m sample) float64 { return float64(m.Ready["converter"]) }, true},
		{"gateway", "#9467bd", func(m sample) float64 { return float64(m.Ready["gateway"]) }, true},
		{"notification", "#8c564b", func(m sample) float64 { return float64(m.Ready["notification"]) }, true},
	}},
	{"jobs", []curve{
		{"done", "#2ca02c", func(m sample) float64 { return float64(m.Done) }, false},
		{"converting", "#ff7f0e", func(m sample) float64 { return float64(m.Converting) }, true},
	}},
}

const (
	width, height         = 760, 130 // of a panel's plot area
	left, top, gap, below = 50, 30, 50, 40
)

// drawChart returns the samples of a burst as an SVG.
func drawChart(samples []sample) string {
	last := samples[len(samples)-1].Seconds
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		left+width+20, top+len(panels)*(height+gap)+below-gap+10)
	s.WriteString(`<rect width="100%" height="100%" fill="#fff"/>` + "\n")
	for i, p := range panels {
		y := top + i*(height+gap)
		highest := 1.0
		for _, c := range p.curves {
			for _, m := range samples {
				highest = max(highest, c.value(m))
			}
		}
		step := tickInterval(highest, 4)
		highest = math.Ceil(highest/step) * step
		fmt.Fprintf(&s, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, y-10, p.title)
		for v := 0.0; v <= highest+step/2; v += step {
			at := float64(y+height) - v/highest*height
			fmt.Fprintf(&s, `<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%g</text>`+"\n",
				left, at, width, left-6, at+4, v)
		}
		x := left + width
		for n := len(p.curves) - 1; n >= 0; n-- {
			c := p.curves[n]
			x -= 9*len(c.name) + 26
			fmt.Fprintf(&s, `<path d="M%d %dh14" stroke="%s" stroke-width="3"/><text x="%d" y="%d">%s</text>`+"\n", x, y-14, c.colour, x+19, y-10, c.name)
			fmt.Fprintf(&s, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", curvePath(samples, c, last, highest, y), c.colour)
		}
	}
	foot := top + len(panels)*(height+gap) - gap
	for t, step := 0.0, tickInterval(last, 8); t <= last; t += step {
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%g s</text>`+"\n", left+t/last*width, foot+18, t)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// curvePath returns the path data of a curve.
func curvePath(samples []sample, c curve, last, highest float64, y int) string {
	var path strings.Builder
	for i, m := range samples {
		x := left + m.Seconds/max(last, 1)*width
		v := float64(y+height) - c.value(m)/highest*height
		switch {
		case i == 0:
			fmt.Fprintf(&path, "M%.1f %.1f", x, v)
		case c.steps:
			fmt.Fprintf(&path, "H%.1fV%.1f", x, v)
		default:
			fmt.Fprintf(&path, "L%.1f %.1f", x, v)
		}
	}
	return path.String()
}

// tickInterval returns a round interval that divides a range into about n parts.
func tickInterval(length float64, n int) float64 {
	rough := max(length/float64(n), 1e-9)
	unit := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*unit >= rough {
			return max(m*unit, 1)
		}
	}
	return max(10*unit, 1)
}
