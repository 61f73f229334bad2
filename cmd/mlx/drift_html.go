package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/gate"
	"mlx/internal/page"
)

const driftStyle = `:root{--ref:#8a8f98;--cur:#2f6fde}@media(prefers-color-scheme:dark){:root{--ref:#7d858f;--cur:#6db3f2}}
.r{fill:var(--ref)}.c{fill:var(--cur)}i.r,i.c{display:inline-block;width:.7em;height:.7em;background:var(--ref)}i.c{background:var(--cur)}
.wide{overflow-x:auto}svg{max-width:100%;height:auto}svg .fail{fill:var(--fail)}svg .pass{fill:var(--pass)}svg .inconclusive{fill:var(--warn)}
.pair{display:flex;flex-wrap:wrap;gap:1rem 2rem;align-items:flex-start}.pair table{width:auto}.pair td,.pair th{padding:.15rem .8rem .15rem 0}
h3{font-size:1rem;margin:1.5rem 0 .2rem}td.name{overflow-wrap:anywhere;max-width:20rem}
`

// driftPageRoom is how large a page may become. The table has all columns in any case; the drawings of those that did not drift end
// where the room does.
const driftPageRoom = 3 << 20

// html is one page that needs nothing beside itself.
func (v driftView) html() []byte {
	titles := make([]string, len(v.told))
	for i, d := range v.told {
		titles[i] = d.title()
	}
	var b bytes.Buffer
	b.WriteString(page.Head("mlx drift "+strings.Join(titles, " "), driftStyle))
	for _, d := range v.told {
		d.html(&b)
	}
	b.WriteString(page.Tail)
	return b.Bytes()
}

// driftClass is the class of a verdict in the style of pages.
func driftClass(v drift.Verdict) string {
	if v == drift.Stable || v == drift.Drift {
		return string(v)
	}
	return string(drift.CannotTell)
}

func (d driftTold) html(b *bytes.Buffer) {
	r := d.Answer
	fmt.Fprintf(b, "<header><h1><span class=\"v %s\">%s</span> %s</h1>\n<p>", driftClass(r.Verdict), strings.ToUpper(driftWord(r.Verdict)), page.HTML(d.title()))
	if window := windowWords(r.Window); window != "" {
		b.WriteString(page.HTML(window) + ", ")
	}
	fmt.Fprintf(b, "%s against %s of %s</p>\n<p>", cli.FormatNum(r.Window.Rows, "row"), cli.FormatNum(r.ReferenceN, "row"),
		page.HTML(cmp.Or(r.Reference.Name, r.Reference.ID.Short())))
	if !d.Record.IsZero() {
		fmt.Fprintf(b, "answer <code>%s</code>, ", d.Record.Short())
	}
	fmt.Fprintf(b, "%s, mlx %s</p></header>\n", cmp.Or(d.At, r.AsOf).UTC().Format("2006-01-02 15:04:05 UTC"), page.HTML(r.MlxVersion))
	if r.Why != "" {
		fmt.Fprintf(b, "<p>%s.</p>\n", page.HTML(r.Why))
	}
	if len(r.Columns) > 0 {
		fmt.Fprintf(b, "<p>%s.</p>\n", page.HTML(d.shareLine()))
	}
	for _, a := range d.Actions {
		fmt.Fprintf(b, "<p>%s.</p>\n", page.HTML(a.Text))
	}
	for _, note := range r.Notes {
		fmt.Fprintf(b, "<p class=dim>%s.</p>\n", page.HTML(strings.TrimSuffix(note, ".")))
	}
	d.trendHTML(b)
	d.columnsHTML(b)
	if len(r.Checks) > 0 {
		b.WriteString("<h2>Checks</h2>\n")
		open, passed := gate.Result{Checks: r.Checks}.Parted()
		gate.FindingsHTML(b, open, passed)
	}
	d.drawingsHTML(b)
	d.digestsHTML(b)
}

// columnsHTML is a row a column.
func (d driftTold) columnsHTML(b *bytes.Buffer) {
	if len(d.Answer.Columns) == 0 {
		return
	}
	b.WriteString("<h2>Columns</h2>\n<div class=wide><table><tr><th></th><th>column</th><th>what</th><th class=n>effect</th><th class=n>threshold</th>" +
		"<th class=n>p</th><th class=n>missing</th><th class=n>rows</th></tr>\n")
	for _, c := range driftOrder(d.Answer.Columns) {
		said, effect, threshold, chance := tableWords(c)
		missing := shareWords(c.MissingShare)
		if c.MissingShare != c.ReferenceMissing {
			missing = shareWords(c.ReferenceMissing) + " → " + missing
		}
		fmt.Fprintf(b, "<tr><td class=\"v %s\">%s</td><td class=name>%s</td><td>%s</td><td class=n>%s</td><td class=n>%s</td><td class=n>%s</td><td class=n>%s</td><td class=n>%s</td></tr>\n",
			driftClass(c.Verdict), driftWord(c.Verdict), page.HTML(c.Name), page.HTML(said), page.HTML(effect), threshold,
			page.HTML(chance), missing, cli.FormatCount(c.Rows))
	}
	b.WriteString("</table></div>\n")
}

// drawingsHTML is each column's two distributions: those of what drifted or cannot be judged in sight, the others folded away.
func (d driftTold) drawingsHTML(b *bytes.Buffer) {
	all := driftOrder(d.Answer.Columns)
	stable := slices.IndexFunc(all, func(c drift.Column) bool { return c.Verdict == drift.Stable })
	if stable < 0 {
		stable = len(all)
	}
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "<h2>Distributions</h2>\n<p class=dim><i class=r></i> %s &nbsp; <i class=c></i> %s</p>\n", page.HTML(cmp.Or(d.Answer.Reference.Name, "reference")),
		page.HTML(cmp.Or(windowWords(d.Answer.Window), "now")))
	left := d.someDrawn(b, all[:stable])
	if stable < len(all) && left == 0 {
		fmt.Fprintf(b, "<details%s><summary>%s without drift</summary>\n", openIf(stable == 0), cli.FormatNum(int64(len(all)-stable), "column"))
		left = d.someDrawn(b, all[stable:])
		b.WriteString("</details>\n")
	} else if left > 0 {
		left += len(all) - stable
	}
	if left > 0 {
		fmt.Fprintf(b, "<p>%s found no room here: -o report.json has them.</p>\n", cli.FormatNum(int64(left), "more column"))
	}
}

func openIf(yes bool) string {
	if yes {
		return " open"
	}
	return ""
}

// someDrawn draws columns until the page is full, and returns how many are left.
func (d driftTold) someDrawn(b *bytes.Buffer, columns []drift.Column) int {
	for i, c := range columns {
		if b.Len() > driftPageRoom {
			return len(columns) - i
		}
		columnHTML(b, c)
	}
	return 0
}

// columnHTML is one column: its two distributions, and what was measured of them.
func columnHTML(b *bytes.Buffer, c drift.Column) {
	fmt.Fprintf(b, "<h3><span class=\"v %s\">%s</span> %s</h3>\n<p>%s</p>\n<div class=pair>\n", driftClass(c.Verdict), driftWord(c.Verdict), page.HTML(c.Name),
		page.HTML(cmp.Or(c.Why, c.Text)))
	binsSVG(b, c)
	summaryHTML(b, c)
	measuresHTML(b, c)
	b.WriteString("</div>\n")
}

// summaryHTML puts both sides of a column beside each other.
func summaryHTML(b *bytes.Buffer, c drift.Column) {
	b.WriteString("<table><tr><th></th><th class=n><i class=r></i></th><th class=n><i class=c></i></th></tr>\n")
	line := func(name, ref, cur string) {
		if ref != "" || cur != "" {
			fmt.Fprintf(b, "<tr><th scope=row>%s</th><td class=n>%s</td><td class=n>%s</td></tr>\n", name, page.HTML(ref), page.HTML(cur))
		}
	}
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return binWord(*v, c.Reference.Type)
	}
	count := func(n int64, always bool) string {
		if n == 0 && !always {
			return ""
		}
		return cli.FormatCount(n)
	}
	r, n := c.Reference, c.Current
	line("type", r.Type, n.Type)
	line("rows", count(r.Rows, true), count(n.Rows, true))
	line("missing", count(r.Missing, r.Missing+n.Missing > 0), count(n.Missing, r.Missing+n.Missing > 0))
	line("NaN", count(r.NaN, r.NaN+n.NaN > 0), count(n.NaN, r.NaN+n.NaN > 0))
	ri, ni := r.PlusInf+r.MinusInf, n.PlusInf+n.MinusInf
	line("infinite", count(ri, ri+ni > 0), count(ni, ri+ni > 0))
	if r.Distinct != nil && n.Distinct != nil {
		line("distinct", count(*r.Distinct, true), count(*n.Distinct, true))
	}
	line("mean", number(r.Mean), number(n.Mean))
	if r.Type != "date" && r.Type != "time" {
		line("std", number(r.Std), number(n.Std))
	}
	line("min", number(r.Min), number(n.Min))
	line("median", number(r.Median), number(n.Median))
	line("max", number(r.Max), number(n.Max))
	line("most often", shortened(r.Top, 40), shortened(n.Top, 40))
	b.WriteString("</table>\n")
}

// measuresHTML is everything that was computed of a column.
func measuresHTML(b *bytes.Buffer, c drift.Column) {
	if len(c.Measures) == 0 {
		return
	}
	b.WriteString("<table><tr><th>method</th><th class=n>value</th><th class=n>threshold</th><th class=n>p</th></tr>\n")
	for _, m := range c.Measures {
		value, threshold := "", ""
		if m.Value != nil {
			value = measureWord(m.Method, *m.Value, m.Threshold)
		}
		if m.Threshold != nil {
			threshold = measureWord(m.Method, *m.Threshold, nil)
		}
		fmt.Fprintf(b, "<tr><td>%s</td><td class=n>%s</td><td class=n>%s</td><td class=n>%s</td></tr>\n", page.HTML(methodWord(m.Method)), value, threshold,
			page.HTML(chanceOnly(m.P, m.PAdjusted)))
	}
	b.WriteString("</table>\n")
}

// measureWord is an effect without its method: a share in percent, as it is one.
func measureWord(m drift.Method, v float64, threshold *float64) string {
	if m == drift.Missing || m == drift.Unseen {
		return shareWords(v)
	}
	return effectWord(v, threshold)
}

// digestsHTML lists what the answer stands on.
func (d driftTold) digestsHTML(b *bytes.Buffer) {
	r := d.Answer
	b.WriteString("<h2>What was compared</h2>\n<div class=wide><table><tr><th>what</th><th>name</th><th>digest</th></tr>\n")
	for _, row := range []struct{ what, name, id string }{{"reference: " + r.Reference.Kind, r.Reference.Name, hexOf(r.Reference.ID)},
		{"current: " + r.Current.Kind, r.Current.Name, hexOf(r.Current.ID)}, {"configuration", "", hexOf(r.Config)}, {"inputs", "", hexOf(r.Inputs)}} {
		if row.id != "" {
			fmt.Fprintf(b, "<tr><td>%s</td><td class=name>%s</td><td><code>%s</code></td></tr>\n", page.HTML(row.what), page.HTML(row.name), row.id)
		}
	}
	fmt.Fprintf(b, "</table></div>\n<p class=dim>as of %s</p>\n", r.AsOf.UTC().Format(time.RFC3339))
}

// shortened is a text of at most n characters.
func shortened(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}
