package gate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"mlx/internal/page"
)

// HTML writes the report as one page that needs nothing else: no script, no font, no picture from elsewhere. It is the same for the
// same record, and at most about a megabyte: plots hold at most 200 points a line, samples five rows.
func (v View) HTML() []byte {
	var b bytes.Buffer
	title := "mlx gate"
	for _, g := range v.Report.Gates {
		title += " " + g.Name
	}
	b.WriteString(page.Head(title, ""))
	fmt.Fprintf(&b, "<header><h1><span class=\"v %s\">%s</span> %s</h1>\n", word(v.Verdict), strings.ToUpper(word(v.Verdict)), page.HTML(strings.TrimPrefix(title, "mlx gate ")))
	fmt.Fprintf(&b, "<p>verdict <code>%s</code>, %s, mlx %s", v.Record.Short(), v.At.UTC().Format("2006-01-02 15:04:05 UTC"), page.HTML(v.MlxVersion))
	if v.Report.Code != "" {
		fmt.Fprintf(&b, ", commit <code>%s</code>", page.HTML(v.Report.Code))
	}
	b.WriteString("</p></header>\n")
	for _, g := range v.Report.Gates {
		g.html(&b)
	}
	v.htmlData(&b)
	b.WriteString(page.Tail)
	return b.Bytes()
}

func (g Result) html(b *bytes.Buffer) {
	fmt.Fprintf(b, "<h2><span class=\"v %s\">%s</span> %s</h2>\n<p class=dim>%s <code>%s</code>", word(g.Verdict), word(g.Verdict), page.HTML(g.Name),
		page.HTML(g.For.Kind), g.For.ID.Short())
	if g.For.Name != "" {
		b.WriteString(" " + page.HTML(g.For.Name))
	}
	if g.Against != nil {
		b.WriteString(" against " + page.HTML(g.Baseline()))
	}
	if compared := g.Compared(); compared != "" {
		b.WriteString("; " + page.HTML(compared))
	}
	b.WriteString("</p>\n")
	open, passed := g.Parted()
	FindingsHTML(b, open, passed)
	for _, note := range g.Notes() {
		fmt.Fprintf(b, "<p class=dim>%s.</p>\n", page.HTML(sentence(note)))
	}
}

// FindingsHTML writes findings as they are read, those that did not pass first: a table, what it has no room for, and their plots.
func FindingsHTML(b *bytes.Buffer, open, passed []Finding) {
	htmlTable(b, slices.Concat(open, passed))
	for _, f := range open {
		f.htmlMore(b)
	}
	b.WriteString("<div class=plots>\n")
	for _, f := range slices.Concat(open, passed) {
		if f.Plot != nil {
			f.Plot.svg(b, f.Name)
		}
	}
	b.WriteString("</div>\n")
}

func htmlTable(b *bytes.Buffer, all []Finding) {
	compared := false
	for _, f := range all {
		compared = compared || f.Baseline != nil
	}
	b.WriteString("<table><tr><th></th><th>check</th>")
	if compared {
		b.WriteString("<th class=n>candidate</th><th class=n>production</th><th class=n>difference</th>")
	} else {
		b.WriteString("<th>value</th>")
	}
	b.WriteString("<th>needs</th></tr>\n")
	for _, f := range all {
		fmt.Fprintf(b, "<tr><td class=\"v %s\">%s</td><td>%s</td>", f.Word(), f.Word(), page.HTML(f.Name))
		if compared {
			for _, cell := range f.comparison() {
				fmt.Fprintf(b, "<td class=n>%s</td>", page.HTML(cell))
			}
		} else {
			fmt.Fprintf(b, "<td>%s</td>", page.HTML(f.Shown))
		}
		fmt.Fprintf(b, "<td>%s</td></tr>\n", page.HTML(f.Needed()))
	}
	b.WriteString("</table>\n")
}

// htmlMore says of a finding that did not pass what the table has no room for.
func (f Finding) htmlMore(b *bytes.Buffer) {
	for _, said := range []string{f.Note, f.SaidWaiver(), f.Where()} {
		if said != "" {
			fmt.Fprintf(b, "<p><b>%s</b>: %s</p>\n", page.HTML(f.Name), page.HTML(said))
		}
	}
	rows := f.Failing.sampled()
	if rows == "" {
		return
	}
	fmt.Fprintf(b, "<details><summary>%s: %s</summary><table class=sample><tr>", page.HTML(f.Name), rows)
	for _, h := range f.Failing.Header {
		fmt.Fprintf(b, "<th>%s</th>", page.HTML(h))
	}
	b.WriteString("</tr>\n")
	for _, row := range f.Failing.Sample {
		b.WriteString("<tr>")
		for _, cell := range row {
			fmt.Fprintf(b, "<td>%s</td>", page.HTML(cell))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table></details>\n")
}

// htmlData lists the digests that the verdict stands on.
func (v View) htmlData(b *bytes.Buffer) {
	b.WriteString("<h2>What was judged</h2>\n<table><tr><th>what</th><th>name</th><th>digest</th></tr>\n")
	row := func(what string, r Ref) {
		fmt.Fprintf(b, "<tr><td>%s</td><td>%s</td><td><code>%s</code></td></tr>\n", page.HTML(what), page.HTML(r.Name), r.ID.Hex())
	}
	row(v.Report.For.Kind, v.Report.For)
	if v.Report.Against != nil {
		row("against "+v.Report.Against.Kind, *v.Report.Against)
	}
	for _, d := range v.Report.Data {
		row(d.Kind, d)
	}
	fmt.Fprintf(b, "<tr><td>gates</td><td></td><td><code>%s</code></td></tr>\n</table>\n", v.Report.Config.Hex())
}

func word(v Verdict) string {
	if v == Pass || v == Fail {
		return string(v)
	}
	return "inconclusive" // also a word that is not known
}
