package main

import (
	"fmt"
	"math"
	"strings"
)

// A curve is one series of a panel.
type curve struct {
	name   string
	colour string
	value  func(moment) float64
	steps  bool // counts of things, which do not grow in between
}

// panels lie one above the other and share the time.
var panels = []struct {
	title  string
	curves []curve
}{
	{"messages in the queue", []curve{
		{"waiting", "#1f77b4", func(m moment) float64 { return m.Waiting }, false},
		{"with the source", "#aec7e8", func(m moment) float64 { return m.Delivered }, false},
	}},
	{"pods", []curve{
		{"converter", "#d62728", func(m moment) float64 { return float64(m.Ready["converter"]) }, true},
		{"gateway", "#9467bd", func(m moment) float64 { return float64(m.Ready["gateway"]) }, true},
		{"notification", "#8c564b", func(m moment) float64 { return float64(m.Ready["notification"]) }, true},
	}},
	{"videos", []curve{
		{"done", "#2ca02c", func(m moment) float64 { return float64(m.Done) }, false},
		{"being converted", "#ff7f0e", func(m moment) float64 { return float64(m.Converting) }, true},
	}},
}

const (
	width, height         = 760, 130 // of a panel's plane
	left, top, gap, below = 50, 30, 50, 40
)

// picture draws the course of a burst as SVG.
func picture(moments []moment) string {
	last := moments[len(moments)-1].Seconds
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		left+width+20, top+len(panels)*(height+gap)+below-gap+10)
	s.WriteString(`<rect width="100%" height="100%" fill="#fff"/>` + "\n")
	for i, p := range panels {
		y := top + i*(height+gap)
		highest := 1.0
		for _, c := range p.curves {
			for _, m := range moments {
				highest = max(highest, c.value(m))
			}
		}
		step := tick(highest, 4)
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
			fmt.Fprintf(&s, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", trace(moments, c, last, highest, y), c.colour)
		}
	}
	foot := top + len(panels)*(height+gap) - gap
	for t, step := 0.0, tick(last, 8); t <= last; t += step {
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%g s</text>`+"\n", left+t/last*width, foot+18, t)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// trace is a curve's path.
func trace(moments []moment, c curve, last, highest float64, y int) string {
	var path strings.Builder
	for i, m := range moments {
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

// tick is a round distance that divides a range into about n.
func tick(whole float64, n int) float64 {
	rough := max(whole/float64(n), 1e-9)
	unit := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*unit >= rough {
			return max(m*unit, 1)
		}
	}
	return max(10*unit, 1)
}
