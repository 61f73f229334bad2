package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

// The geometry of a drawing, in its own units.
const (
	panelWidth  = 460
	panelHeight = 260
	panelLeft   = 64
	panelTop    = 34
	panelPlotW  = panelWidth - panelLeft - 20
	panelPlotH  = panelHeight - panelTop - 48
	panelsEach  = 2 // in a row
	maxPanels   = 100
	lineMax     = 700 // points of a line: more cannot be told apart
	lineColors  = 8
)

// panel is one metric of one or more runs.
type panel struct {
	name  string
	xName string
	lines []panelLine
}

type panelLine struct {
	run   int // which of the runs
	curve drawn
}

// panels gathers the curves of runs by metric: the results first, then what the machine did.
func panels(runs []tracedRun, only []string) ([]panel, error) {
	at := make(map[string]int)
	var all []panel
	for i, r := range runs {
		views, err := r.views(only)
		if err != nil {
			return nil, err
		}
		for _, v := range views {
			k, ok := at[v.Name]
			if !ok {
				k = len(all)
				at[v.Name] = k
				all = append(all, panel{name: v.Name, xName: v.drawn.label})
			}
			all[k].lines = append(all[k].lines, panelLine{i, v.drawn})
		}
	}
	slices.SortFunc(all, func(a, b panel) int {
		if x, y := strings.HasPrefix(a.name, systemMetrics), strings.HasPrefix(b.name, systemMetrics); x != y {
			if x {
				return 1
			}
			return -1
		}
		return strings.Compare(a.name, b.name)
	})
	return all, nil
}

const svgStyle = `svg.curves{color:#1b1b1b;background:#fff;font:12px system-ui,sans-serif}
.curves text{fill:currentColor}.curves .name{font-weight:600;font-size:13px}.curves .grid{stroke:currentColor;opacity:.15}
.curves .axis{stroke:currentColor;opacity:.6;fill:none}.curves polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}
.c0{stroke:#1f6fb4;fill:#1f6fb4}.c1{stroke:#c8500a;fill:#c8500a}.c2{stroke:#1b8a4a;fill:#1b8a4a}.c3{stroke:#8a4fb0;fill:#8a4fb0}
.c4{stroke:#b02a4c;fill:#b02a4c}.c5{stroke:#0f7f86;fill:#0f7f86}.c6{stroke:#7a6a00;fill:#7a6a00}.c7{stroke:#5c5c5c;fill:#5c5c5c}
@media (prefers-color-scheme:dark){svg.curves{color:#e6e6e6;background:#161616}
.c0{stroke:#6db3f2;fill:#6db3f2}.c1{stroke:#ff9d5c;fill:#ff9d5c}.c2{stroke:#62d492;fill:#62d492}.c3{stroke:#cf9ff0;fill:#cf9ff0}
.c4{stroke:#ff8aa5;fill:#ff8aa5}.c5{stroke:#5fd6dd;fill:#5fd6dd}.c6{stroke:#d8c64a;fill:#d8c64a}.c7{stroke:#b8b8b8;fill:#b8b8b8}}
`

// drawSVG draws runs over each other, a panel a metric. The drawing needs nothing beside itself and follows the reader's
// choice of light or dark.
func drawSVG(runs []tracedRun, only []string) ([]byte, error) {
	all, err := panels(runs, only)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fault.New(fault.NotFound, "cannot draw: there is no series").Hint("mlx record --step N NAME=NUMBER   # inside a run, more than once")
	}
	var b bytes.Buffer
	more := len(all) - maxPanels
	all = all[:min(len(all), maxPanels)]
	columns := min(panelsEach, len(all))
	rows := (len(all) + columns - 1) / columns
	top := 12
	if len(runs) > 1 {
		top += 20 * len(runs)
	}
	width, height := columns*panelWidth, top+rows*panelHeight
	if more > 0 {
		height += 24
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="curves" role="img" aria-label="%s" width="%d" height="%d" viewBox="0 0 %d %d">`+"\n<style>%s</style>\n",
		escaped("curves of "+labels(runs)), width, height, width, height, svgStyle)
	if len(runs) > 1 {
		for i, r := range runs {
			y := 18 + 20*i
			fmt.Fprintf(&b, `<polyline class="c%d"%s points="12,%d 44,%d"/><text x="52" y="%d">%s</text>`+"\n", i%lineColors, dash(i), y-4, y-4, y, escaped(r.label))
		}
	}
	for i, p := range all {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%columns*panelWidth, top+i/columns*panelHeight)
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	if more > 0 {
		fmt.Fprintf(&b, `<text x="12" y="%d">and %s</text>`+"\n", height-8, escaped(cli.FormatNum(int64(more), "more metric")))
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

func labels(runs []tracedRun) string {
	names := make([]string, len(runs))
	for i, r := range runs {
		names[i] = r.label
	}
	return strings.Join(names, ", ")
}

// dash tells runs apart for those who cannot tell the colours.
func dash(i int) string {
	if i == 0 {
		return ""
	}
	return ` stroke-dasharray="` + []string{"1 0", "6 3", "2 2", "8 3 2 3"}[i%4] + `"`
}

// escaped is text as XML has it. What XML cannot hold at all is replaced.
func escaped(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

func (p panel) draw(b *bytes.Buffer) {
	x, y := scale{math.Inf(1), math.Inf(-1)}, scale{math.Inf(1), math.Inf(-1)}
	for _, l := range p.lines {
		x = x.with(l.curve.x[0]).with(l.curve.x[len(l.curve.x)-1])
		if low, high, ok := l.curve.bounds(); ok {
			y = y.with(low).with(high)
		}
	}
	fmt.Fprintf(b, `<text class="name" x="%d" y="20">%s</text>`+"\n", panelLeft, escaped(p.name))
	if y.low > y.high {
		fmt.Fprintf(b, `<text x="%d" y="%d">no finite value</text>`+"\n", panelLeft, panelHeight/2)
		return
	}
	x, y = x.wide(), y.wide()
	bottom := panelTop + panelPlotH
	for _, v := range y.ticks(5) {
		at := float64(bottom) - y.share(v)*panelPlotH
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			panelLeft, at, panelLeft+panelPlotW, panelLeft-6, at+4, tickLabel(v))
	}
	for _, v := range x.ticks(6) {
		at := panelLeft + x.share(v)*panelPlotW
		fmt.Fprintf(b, `<path class="axis" d="M%.1f %dv4"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", at, bottom, at, bottom+17, tickLabel(v))
	}
	fmt.Fprintf(b, `<path class="axis" d="M%d %dV%dH%d"/><text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n",
		panelLeft, panelTop, bottom, panelLeft+panelPlotW, panelLeft+panelPlotW/2, bottom+34, p.xName)
	for _, l := range p.lines {
		for _, piece := range l.curve.thin(lineMax).pieces() {
			drawPiece(b, l.run, piece, func(px, py float64) (float64, float64) {
				return panelLeft + x.share(px)*panelPlotW, float64(bottom) - y.share(py)*panelPlotH
			})
		}
	}
}

func drawPiece(b *bytes.Buffer, run int, piece drawn, at func(x, y float64) (float64, float64)) {
	if len(piece.x) == 1 {
		x, y := at(piece.x[0], piece.y[0])
		fmt.Fprintf(b, `<circle class="c%d" cx="%.1f" cy="%.1f" r="2.5"/>`+"\n", run%lineColors, x, y)
		return
	}
	fmt.Fprintf(b, `<polyline class="c%d" style="fill:none"%s points="`, run%lineColors, dash(run))
	for i := range piece.x {
		x, y := at(piece.x[i], piece.y[i])
		fmt.Fprintf(b, "%.1f,%.1f ", x, y)
	}
	b.WriteString("\"/>\n")
}

// thin keeps the shape of a curve in about n points: of each part the lowest and the highest, and what is not finite.
func (d drawn) thin(n int) drawn {
	if len(d.x) <= n {
		return d
	}
	out := drawn{label: d.label}
	part := (len(d.x)*2 + n - 1) / n
	for start := 0; start < len(d.x); start += part {
		low, high, gap := -1, -1, -1
		for i := start; i < min(start+part, len(d.x)); i++ {
			switch {
			case math.IsNaN(d.y[i]) || math.IsInf(d.y[i], 0):
				gap = i
			case low < 0:
				low, high = i, i
			case d.y[i] < d.y[low]:
				low = i
			case d.y[i] > d.y[high]:
				high = i
			}
		}
		keep := []int{low, high, gap}
		slices.Sort(keep)
		for _, i := range slices.Compact(keep) {
			if i >= 0 {
				out.x, out.y = append(out.x, d.x[i]), append(out.y, d.y[i])
			}
		}
	}
	return out
}

// pieces cuts a curve where a value is not finite.
func (d drawn) pieces() []drawn {
	var all []drawn
	start := 0
	for i := 0; i <= len(d.y); i++ {
		if i < len(d.y) && !math.IsNaN(d.y[i]) && !math.IsInf(d.y[i], 0) {
			continue
		}
		if i > start {
			all = append(all, drawn{x: d.x[start:i], y: d.y[start:i]})
		}
		start = i + 1
	}
	return all
}

// scale is the range of an axis.
type scale struct{ low, high float64 }

func (s scale) with(v float64) scale { return scale{min(s.low, v), max(s.high, v)} }

// wide makes room around a single value.
func (s scale) wide() scale {
	if s.low == s.high {
		room := max(math.Abs(s.low)*0.1, 1e-9)
		if s.low == math.Trunc(s.low) {
			room = max(room, 1)
		}
		return scale{max(-math.MaxFloat64, s.low-room), min(math.MaxFloat64, s.high+room)}
	}
	return s
}

// share is where v lies between low, 0, and high, 1. A range of one value is around it.
func (s scale) share(v float64) float64 {
	switch span := s.high - s.low; {
	case span == 0:
		return 0.5
	case math.IsInf(span, 0):
		return (v/2 - s.low/2) / (s.high/2 - s.low/2)
	default:
		return (v - s.low) / span
	}
}

// ticks are about n round numbers in the range.
func (s scale) ticks(n int) []float64 {
	rough := s.high/float64(n) - s.low/float64(n)
	if rough < math.SmallestNonzeroFloat64*1e16 {
		return []float64{s.low, s.high} // numbers so small have no round ones between them
	}
	unit := math.Pow(10, math.Floor(math.Log10(rough)))
	step := unit
	for _, factor := range []float64{1, 2, 5, 10} {
		if step = unit * factor; step >= rough {
			break
		}
	}
	var all []float64
	for k := math.Ceil(s.low / step); k*step <= s.high && len(all) <= 2*n; k++ {
		all = append(all, k*step)
	}
	return all
}

func tickLabel(v float64) string {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64) // 0.30000000000000004 is 0.3
	a := math.Abs(v)
	switch {
	case a >= 1e12 || a < 1e-3 && a > 0:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case a >= 1e9:
		return strconv.FormatFloat(v/1e9, 'g', 4, 64) + " G"
	case a >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + " M"
	case a >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + " k"
	}
	return strconv.FormatFloat(v, 'g', 5, 64)
}
