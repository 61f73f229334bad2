package main

import (
	"math"
	"runtime"
	"strings"

	"mlx/internal/cli"
)

// The size of what is drawn in a terminal, in characters.
const (
	sparkWidth = 32
	plotWidth  = 64
	plotHeight = 14
)

// drawsUnicode reports whether the terminal shows more than ASCII.
func (a *app) drawsUnicode() bool {
	if runtime.GOOS == "windows" {
		return true
	}
	found := make(map[string]string)
	for _, v := range a.environ {
		name, value, _ := strings.Cut(v, "=")
		found[name] = value
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if found[name] != "" {
			locale := strings.ToLower(found[name])
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}

// spark draws a curve in one line, each character the mean of a part of it. What is not finite leaves a gap.
func spark(d drawn, width int) string {
	low, high, ok := d.bounds()
	if !ok {
		return ""
	}
	width = min(width, len(d.y))
	sums, counts := make([]float64, width), make([]int, width)
	first, span := d.x[0], d.x[len(d.x)-1]-d.x[0]
	for i, y := range d.y {
		if math.IsNaN(y) || math.IsInf(y, 0) {
			continue
		}
		at := 0
		if span > 0 {
			at = min(width-1, int(float64(width)*(d.x[i]-first)/span))
		}
		sums[at], counts[at] = sums[at]+y/1e3, counts[at]+1 // the sum of large values must stay finite
	}
	blocks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	last := ' '
	for i, n := range counts {
		if n == 0 {
			if len(d.y) < 2*width && last != ' ' && d.gapless() {
				b.WriteRune(last) // few points, far apart: the curve goes on
			} else {
				b.WriteRune(' ')
			}
			continue
		}
		mean := max(low, min(high, sums[i]/float64(n)*1e3))
		share := scale{low, high}.share(mean)
		last = blocks[max(0, min(len(blocks)-1, int(share*float64(len(blocks)))))]
		b.WriteRune(last)
	}
	return b.String()
}

func (d drawn) gapless() bool {
	for _, y := range d.y {
		if math.IsNaN(y) || math.IsInf(y, 0) {
			return false
		}
	}
	return true
}

// canvas is a field of dots; a character of a terminal that draws Unicode has two columns and four rows of them.
type canvas struct {
	dots                  []bool
	width, height         int
	cellWidth, cellHeight int
}

func newCanvas(unicode bool) *canvas {
	c := &canvas{cellWidth: 1, cellHeight: 1}
	if unicode {
		c.cellWidth, c.cellHeight = 2, 4
	}
	c.width, c.height = plotWidth*c.cellWidth, plotHeight*c.cellHeight
	c.dots = make([]bool, c.width*c.height)
	return c
}

// line draws between two points, whose coordinates are shares of the field from its lower left corner.
func (c *canvas) line(x0, y0, x1, y1 float64) {
	steps := int(max(math.Abs(x1-x0)*float64(c.width), math.Abs(y1-y0)*float64(c.height))) + 1
	for i := range steps + 1 {
		part := float64(i) / float64(steps)
		col := max(0, min(c.width-1, int((x0+(x1-x0)*part)*float64(c.width))))
		row := max(0, min(c.height-1, int((y0+(y1-y0)*part)*float64(c.height))))
		c.dots[(c.height-1-row)*c.width+col] = true
	}
}

// row renders one line of characters.
func (c *canvas) row(i int) string {
	var b strings.Builder
	bit := [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}} // of a braille pattern
	for col := 0; col < c.width; col += c.cellWidth {
		var pattern rune
		for y := range c.cellHeight {
			for x := range c.cellWidth {
				if c.dots[(i*c.cellHeight+y)*c.width+col+x] {
					pattern |= bit[y][x]
				}
			}
		}
		switch {
		case pattern == 0:
			b.WriteByte(' ')
		case c.cellHeight == 1:
			b.WriteByte('*')
		default:
			b.WriteRune(0x2800 + pattern)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// plot draws a curve with its axes.
func plot(d drawn, unicode bool, t *cli.Text) {
	low, high, ok := d.bounds()
	if !ok {
		return
	}
	c := newCanvas(unicode)
	first, span := d.x[0], d.x[len(d.x)-1]-d.x[0]
	at := func(i int) (float64, float64) {
		x := 0.0
		if span > 0 {
			x = (d.x[i] - first) / span
		}
		return x, scale{low, high}.share(d.y[i])
	}
	finite := func(i int) bool { return !math.IsNaN(d.y[i]) && !math.IsInf(d.y[i], 0) }
	for i := range d.y {
		if !finite(i) {
			continue
		}
		x0, y0 := at(i)
		x1, y1 := x0, y0
		if i+1 < len(d.y) && finite(i+1) {
			x1, y1 = at(i + 1)
		}
		c.line(x0, y0, x1, y1)
	}
	labels := map[int]string{0: cli.FormatFloat(high), plotHeight - 1: cli.FormatFloat(low)}
	margin := max(len(labels[0]), len(labels[plotHeight-1]))
	for i := range plotHeight {
		text := strings.Repeat(" ", margin-len(labels[i])) + labels[i] + " |" + c.row(i)
		t.Indented(2, cli.Str(text))
	}
	right := cli.FormatFloat(d.x[len(d.x)-1])
	left := cli.FormatFloat(first)
	gap := max(1, plotWidth-len(left)-len(right)-len(d.label)-2)
	t.Indented(2, cli.Str(strings.Repeat(" ", margin)+" +"+strings.Repeat("-", plotWidth)))
	t.Indented(2, cli.Str(strings.Repeat(" ", margin+2)+left+strings.Repeat(" ", gap/2)+" "+d.label+" "+strings.Repeat(" ", gap-gap/2)+right))
}
