package gate

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"mlx/internal/page"
)

// The size of a plot, in pixels, and the room for its labels.
const (
	plotWidth, plotHeight = 340, 240
	plotLeft, plotBottom  = 46, 34
	plotTop, plotRight    = 10, 12
)

// svg draws the plot. Points that are no numbers are left out.
func (p *Plot) svg(b *bytes.Buffer, name string) {
	x, y := p.ranges()
	fmt.Fprintf(b, "<figure><svg width=\"%d\" height=\"%d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\" aria-label=\"%s\">\n", plotWidth, plotHeight, page.HTML(name))
	for i := range 5 {
		at := float64(i) / 4
		vx, vy := x.lo+at*(x.hi-x.lo), y.lo+at*(y.hi-y.lo)
		px, py := x.place(vx, plotLeft, plotWidth-plotRight), y.place(vy, plotHeight-plotBottom, plotTop)
		fmt.Fprintf(b, "<path class=axis d=\"M%d %sH%d\"/><text x=\"%d\" y=\"%s\" text-anchor=\"end\">%s</text>\n", plotLeft, pixel(py),
			plotWidth-plotRight, plotLeft-5, pixel(py+4), tick(vy))
		fmt.Fprintf(b, "<text x=\"%s\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", pixel(px), plotHeight-plotBottom+14, tick(vx))
	}
	if g := p.Guide; g != nil {
		fmt.Fprintf(b, "<path class=guide d=\"M%s %sL%s %s\"/>\n", pixel(x.place(g[0], plotLeft, plotWidth-plotRight)),
			pixel(y.place(g[1], plotHeight-plotBottom, plotTop)), pixel(x.place(g[2], plotLeft, plotWidth-plotRight)), pixel(y.place(g[3], plotHeight-plotBottom, plotTop)))
	}
	for i, l := range p.Lines {
		fmt.Fprintf(b, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"%s\"/>\n", lineColor(i), l.points(x, y))
	}
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (plotLeft+plotWidth-plotRight)/2, plotHeight-4, page.HTML(p.XLabel))
	fmt.Fprintf(b, "</svg><figcaption>%s: %s", page.HTML(name), page.HTML(p.YLabel))
	for i, l := range p.Lines {
		if l.Name != "" {
			fmt.Fprintf(b, " <span style=\"color:%s\">&#9632;</span> %s", lineColor(i), page.HTML(l.Name))
		}
	}
	b.WriteString("</figcaption></figure>\n")
}

func lineColor(i int) string {
	return [...]string{"#2f6fde", "#d9822b", "#2b9c6a", "#b04bbf", "#8a8f98"}[i%5]
}

// axis is the range of a plot in one direction.
type axis struct{ lo, hi float64 }

func (a axis) place(v float64, from, to int) float64 {
	return float64(from) + (v-a.lo)/(a.hi-a.lo)*float64(to-from)
}

func (a axis) take(v float64) axis {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return a
	}
	return axis{math.Min(a.lo, v), math.Max(a.hi, v)}
}

// span makes room where all values are one.
func (a axis) span() axis {
	switch {
	case a.lo > a.hi:
		return axis{0, 1}
	case a.lo == a.hi:
		return axis{a.lo - 0.5, a.hi + 0.5}
	}
	return a
}

func (p *Plot) ranges() (x, y axis) {
	x, y = axis{math.Inf(1), math.Inf(-1)}, axis{math.Inf(1), math.Inf(-1)}
	for _, l := range p.Lines {
		for i := range min(len(l.X), len(l.Y)) {
			x, y = x.take(l.X[i]), y.take(l.Y[i])
		}
	}
	if g := p.Guide; g != nil {
		x, y = x.take(g[0]).take(g[2]), y.take(g[1]).take(g[3])
	}
	return x.span(), y.span()
}

func (l PlotLine) points(x, y axis) string {
	var b strings.Builder
	for i := range min(len(l.X), len(l.Y)) {
		px, py := x.place(l.X[i], plotLeft, plotWidth-plotRight), y.place(l.Y[i], plotHeight-plotBottom, plotTop)
		if !math.IsNaN(px) && !math.IsNaN(py) && !math.IsInf(px, 0) && !math.IsInf(py, 0) {
			b.WriteString(pixel(px) + "," + pixel(py) + " ")
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

func pixel(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func tick(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
