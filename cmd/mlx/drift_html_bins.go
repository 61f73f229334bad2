package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/page"
)

// The geometry of the two distributions of a column.
const (
	binsWidth, binsHeight = 460, 190
	binsTop, binsBottom   = 22, 34 // room for the highest share, and for the labels
	maxBinsDrawn          = 40
)

// slot is one place of a drawing: what it holds, and the share of each side that lies there.
type slot struct {
	label    string // below the place
	edge     string // below its left side
	title    string
	ref, cur float64
}

// slotsOf are the bins of a column, and one for what is missing. The bins of numbers are as wide as each other, whatever they span: what is
// compared are shares of bins.
func slotsOf(c drift.Column) []slot {
	b := c.Bins
	n := min(len(b.Reference), len(b.Current))
	ref, cur := total(b.Reference[:n]), total(b.Current[:n])
	slots := make([]slot, 0, n+1)
	for i := range n {
		s := slot{ref: shareIn(b.Reference[i], ref), cur: shareIn(b.Current[i], cur)}
		others := b.Others && i == n-1
		switch {
		case len(b.Categories) > i && !others:
			s.label, s.title = b.Categories[i], b.Categories[i]
		case len(b.Categories) > 0 || others:
			s.label, s.title = "others", "all others"
		case len(b.Edges) == 0 && c.Kind == drift.Categories: // names of a private column are not kept
			s.label, s.title = strconv.Itoa(i+1), "value "+strconv.Itoa(i+1)
		default:
			s.edge, s.label, s.title = edgeWords(b, i, c.Reference.Type)
		}
		slots = append(slots, s)
	}
	if c.MissingShare > 0 || c.ReferenceMissing > 0 {
		slots = append(slots, slot{label: "missing", title: "missing, NaN or infinite", ref: c.ReferenceMissing, cur: c.MissingShare})
	}
	return slots
}

// edgeWords names a bin of numbers: the edge on its left, its only value, and what it spans. A bin behind that of a single value begins just
// above it.
func edgeWords(b drift.Bins, i int, typ string) (edge, label, title string) {
	atom := func(i int) bool { return i >= 0 && i < len(b.Atoms) && b.Atoms[i] }
	low, high := "", ""
	if i > 0 && i <= len(b.Edges) {
		low = binWord(b.Edges[i-1], typ)
	}
	if i < len(b.Edges) {
		high = "to below " + binWord(b.Edges[i], typ)
	}
	from := "from "
	if atom(i-1) && i > 1 {
		low, from = binWord(b.Edges[i-2], typ), "above "
		label = "> " + low
	} else {
		edge = low
	}
	switch {
	case atom(i):
		return "", low, "exactly " + low
	case low == "" && high == "": // the only bin, or one of a private column, whose edges are not kept
		return "", strconv.Itoa(i + 1), "bin " + strconv.Itoa(i+1)
	case low == "":
		return "", "", strings.TrimPrefix(high, "to ")
	}
	return edge, label, strings.TrimSpace(from + low + " " + high)
}

// binWord is a number of a column with four digits that matter, a time as such.
func binWord(v float64, typ string) string {
	at := time.Unix(int64(v), 0).UTC()
	switch {
	case math.Abs(v) > 2e11: // beyond the year 8307
	case typ == "date":
		return at.Format(time.DateOnly)
	case typ == "time":
		return at.Format("2006-01-02T15:04Z")
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e9 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func total(counts []int64) int64 {
	n := int64(0)
	for _, c := range counts {
		n += c
	}
	return n
}

func shareIn(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// binsSVG draws the reference and the current values of a column side by side.
func binsSVG(b *bytes.Buffer, c drift.Column) {
	slots := slotsOf(c)
	slots = slots[:min(len(slots), maxBinsDrawn)]
	if len(slots) == 0 {
		return
	}
	highest := 0.0
	for _, s := range slots {
		highest = max(highest, s.ref, s.cur)
	}
	if highest == 0 {
		return
	}
	wide := float64(binsWidth) / float64(len(slots))
	floor := float64(binsHeight - binsBottom)
	tall := floor - binsTop
	fmt.Fprintf(b, `<figure><svg width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="distributions of %s">`+"\n", binsWidth, binsHeight, page.HTML(shortened(c.Name, 80)))
	fmt.Fprintf(b, `<path class="axis" d="M0 %dH%d"/><path class="axis" d="M0 %.1fH%[2]d"/><text x="%[2]d" y="%[4]d" text-anchor="end">%s</text>`+"\n", binsTop, binsWidth, floor, binsTop-6, shareWords(highest))
	for i, s := range slots {
		x := float64(i) * wide
		fmt.Fprintf(b, "<g><title>%s: %s, now %s</title>", page.HTML(shortened(s.title, 80)), shareWords(s.ref), shareWords(s.cur))
		for k, side := range []struct {
			class string
			share float64
		}{{"r", s.ref}, {"c", s.cur}} {
			height := side.share / highest * tall
			fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, side.class, x+wide*(0.1+0.4*float64(k)), floor-height, wide*0.4, height)
		}
		b.WriteString("</g>")
		if s.edge != "" && wide >= 24 {
			fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, floor+14, page.HTML(s.edge))
		}
		if label := fitting(s.label, wide); label != "" {
			fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x+wide/2, floor+28, page.HTML(label))
		}
		b.WriteString("\n")
	}
	b.WriteString("</svg></figure>\n")
}

// fitting is a label that is no wider than its place; empty where there is no room for any.
func fitting(label string, wide float64) string {
	n := int(wide / 5.7)
	if n < 4 && len(label) > n {
		return ""
	}
	return shortened(label, n)
}

// maxTrend is how many answers a trend shows.
const maxTrend = 60

// trendHTML draws the share that drifted in this answer and those before it, the oldest first.
func (d driftTold) trendHTML(b *bytes.Buffer) {
	if len(d.Earlier) == 0 {
		return
	}
	past := append([]driftPast{{d.Record, d.At, d.Answer}}, d.Earlier...)
	past = past[:min(len(past), maxTrend)]
	highest := d.Answer.LimitShare
	for _, p := range past {
		highest = max(highest, shareOf(p.Answer))
	}
	highest = max(highest, 0.01)
	const width, height, top, bottom = 920, 130, 18, 24
	wide, floor := min(60, float64(width)/float64(len(past))), float64(height-bottom)
	tall := floor - top
	fmt.Fprintf(b, "<h2>Trend</h2>\n<figure><svg width=\"%d\" height=\"%d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\" aria-label=\"share of the columns that drifted\">\n", width, height)
	fmt.Fprintf(b, `<path class="axis" d="M0 %.1fH%d"/><text x="%[2]d" y="%d" text-anchor="end">%s</text>`+"\n", floor, width, top-6, shareWords(highest))
	if limit := d.Answer.LimitShare; limit > 0 {
		y := floor - limit/highest*tall
		fmt.Fprintf(b, `<path class="guide" d="M0 %.1fH%d"/><text x="%[2]d" y="%.1f" text-anchor="end">limit %s</text>`+"\n", y, width, y-4, shareWords(limit))
	}
	for i := range past {
		p := past[len(past)-1-i]
		share := shareOf(p.Answer)
		bar := max(2, share/highest*tall)
		when := cmp.Or(windowWords(p.Answer.Window), p.At.UTC().Format(time.DateOnly))
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s: %s, %s of %s drifted</title></rect>`+"\n", driftClass(p.Answer.Verdict),
			float64(i)*wide+wide*0.1, floor-bar, wide*0.8, bar, page.HTML(when), driftWord(p.Answer.Verdict), shareWords(share), cli.FormatNum(int64(len(p.Answer.Columns)), "column"))
	}
	first, last := past[len(past)-1], past[0]
	fmt.Fprintf(b, `<text x="0" y="%d">%s</text><text x="%.1f" y="%[1]d" text-anchor="end">%[4]s</text>`+"\n", height-6, page.HTML(windowEnd(first)), max(200, wide*float64(len(past))), page.HTML(windowEnd(last)))
	b.WriteString("</svg><figcaption>share of the columns that drifted, by window</figcaption></figure>\n")
}

// windowEnd is the day that an answer is about.
func windowEnd(p driftPast) string {
	if to := p.Answer.Window.To; to != nil {
		return to.Add(-time.Second).Format(time.DateOnly)
	}
	return p.Answer.AsOf.UTC().Format(time.DateOnly)
}

// shareOf is the share of the columns that drifted, by weight where there are weights.
func shareOf(r drift.Answer) float64 {
	if r.DriftedShare != nil {
		return *r.DriftedShare
	}
	drifted, all := countedColumns(r.Columns)
	return float64(drifted) / float64(max(1, all))
}
