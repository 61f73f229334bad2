package main

import (
	"bytes"
	"fmt"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/dataset"
)

const profileStyle = `body{max-width:none}table.p{width:100%;font-variant-numeric:tabular-nums}.p td,.p th{border-bottom:1px solid #8884;padding:.3rem .7rem .3rem 0}
.p thead th{position:sticky;top:0;background:#fff}.p .n{text-align:right;white-space:nowrap}.p small{opacity:.7;display:block}.p svg{width:120px;height:30px;fill:#1f6fb4}
.p tbody th{max-width:18rem;white-space:normal}.w{color:#b8500a}.wide{overflow-x:auto}
@media (prefers-color-scheme:dark){.p thead th{background:#161616}.p svg{fill:#6db3f2}.w{color:#ff9d5c}}`

// The room of a page: of a wide table each column gets less of it, so that the file stays small.
const (
	profilePage    = 900 << 10
	profileHTMLTop = 3
)

// html is one page that needs nothing beside itself.
func (v profileView) html() []byte {
	title := "Profile of " + strings.Join(v.Tables, ", ")
	p := profilePageOf(v)
	title = p.screen.cut(title, 300)
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>%s</title>\n<style>%s\n%s</style>\n</head>\n<body>\n",
		escaped(title), htmlStyle, profileStyle)
	fmt.Fprintf(&b, "<h1>%s</h1>\n<p>%s, %s</p>\n", escaped(title), cli.FormatNum(v.Rows, "row"), cli.FormatNum(int64(len(v.Columns)), "column"))
	b.WriteString("<div class=\"wide\"><table class=\"p\">\n<thead><tr><th>Column<th class=\"n\">Missing<th class=\"n\">Distinct<th class=\"n\">Min<th class=\"n\">Median<th class=\"n\">Mean<th class=\"n\">Max<th>Shape<th>Most often</tr></thead>\n<tbody>\n")
	left := 0
	for i, c := range v.Columns {
		row := p.row(c)
		if b.Len()+len(row) > profilePage {
			left = len(v.Columns) - i
			break
		}
		b.WriteString(row)
	}
	b.WriteString("</tbody>\n</table></div>\n")
	if left > 0 {
		fmt.Fprintf(&b, "<p>%s found no room here: -o profile.json has them.</p>\n", cli.FormatNum(int64(left), "more column"))
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes()
}

type profilePageRoom struct {
	screen profileScreen
	cell   int // characters of a value
	name   int
	tops   int
}

func profilePageOf(v profileView) profilePageRoom {
	p := profilePageRoom{screen: profileScreen{view: v, unicode: true}, cell: 40, name: 120, tops: profileHTMLTop}
	if len(v.Columns) > 150 {
		p.cell, p.name, p.tops = 12, 40, 1
	}
	return p
}

func (p profilePageRoom) row(c profileColumnView) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<tr><th scope=\"row\">%s<small>%s</small>", p.text(c.Name, p.name), p.about(c))
	missing := profileShare(c.Missing, p.screen.view.Rows)
	if c.Missing > 0 {
		missing = fmt.Sprintf("<span class=\"w\">%s</span><small>%s</small>", escaped(missing), cli.FormatCount(c.Missing))
	}
	b.WriteString("<td class=\"n\">" + missing)
	if n := c.NaN + c.PlusInf + c.MinusInf; n > 0 {
		fmt.Fprintf(&b, "<small>%s NaN or infinite</small>", cli.FormatCount(n))
	}
	distinct := cli.FormatCount(c.Distinct)
	if !c.DistinctExact {
		distinct = "≈ " + distinct
	}
	low, high, _ := c.column.Range()
	b.WriteString("<td class=\"n\">" + distinct)
	mean := ""
	if c.Mean != nil && c.column.Type != dataset.Bool {
		mean = cli.FormatFloat(*c.Mean)
		if c.Std != nil {
			mean += "<small>± " + cli.FormatFloat(*c.Std) + "</small>"
		}
	}
	fmt.Fprintf(&b, "<td class=\"n\">%s<td class=\"n\">%s<td class=\"n\">%s<td class=\"n\">%s<td>%s<td>", p.text(low.Text, p.cell), p.text(c.quantile(0.5), p.cell), mean,
		p.text(high.Text, p.cell), profileSVG(c))
	for i, top := range c.Top[:min(len(c.Top), p.tops)] {
		if c.Unique != "no" || top.Share < 0.005 {
			break
		}
		if i > 0 {
			b.WriteString("<br>")
		}
		fmt.Fprintf(&b, "%s %s", p.text(top.text, p.cell), escaped(profileShare(top.Count, p.screen.view.Rows)))
	}
	b.WriteString("</tr>\n")
	return b.String()
}

// about is the type and what else there is to know in a few words.
func (p profilePageRoom) about(c profileColumnView) string {
	words := []string{c.Type}
	switch {
	case c.Private:
		words = append(words, "private")
	case c.Constant:
		words = append(words, "constant")
	case c.Unique == "yes" && c.Values > 1:
		words = append(words, "unique")
	}
	for _, look := range c.Looks {
		if look != "key" {
			words = append(words, "looks like "+look)
		}
	}
	return escaped(strings.Join(words, ", "))
}

// text is a value, shortened before it is escaped.
func (p profilePageRoom) text(s string, n int) string { return escaped(p.screen.cut(plainWord(s), n)) }

// profileSVG draws a histogram: one path, whose title says what it spans.
func profileSVG(c profileColumnView) string {
	var heights []int64
	switch {
	case c.Histogram != nil:
		heights = c.Histogram.Counts
	case c.Unique == "no":
		for _, top := range c.Top {
			heights = append(heights, top.Count)
		}
	}
	most := int64(0)
	for _, n := range heights {
		most = max(most, n)
	}
	if most == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d 30" preserveAspectRatio="none" role="img" aria-label="histogram"><path d="`, 6*max(len(heights), 6))
	for i, n := range heights {
		if n == 0 {
			continue
		}
		height := max(1, int(30*float64(n)/float64(most)+0.5))
		fmt.Fprintf(&b, "M%d 30v-%dh5v%dz", 6*i, height, height)
	}
	b.WriteString(`"/></svg>`)
	return b.String()
}
