package gate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// HTML writes the report as one page that needs nothing else: no script, no font, no picture from elsewhere. It is the same for the
// same record, and at most about a megabyte: plots hold at most 200 points a line, samples five rows.
func (v View) HTML() []byte {
	var b bytes.Buffer
	title := "mlx gate"
	for _, g := range v.Report.Gates {
		title += " " + g.Name
	}
	fmt.Fprintf(&b, htmlHead, html(title))
	fmt.Fprintf(&b, "<header><h1><span class=\"v %s\">%s</span> %s</h1>\n", word(v.Verdict), strings.ToUpper(word(v.Verdict)), html(strings.TrimPrefix(title, "mlx gate ")))
	fmt.Fprintf(&b, "<p>verdict <code>%s</code>, %s, mlx %s", v.Record.Short(), v.At.UTC().Format("2006-01-02 15:04:05 UTC"), html(v.MlxVersion))
	if v.Report.Code != "" {
		fmt.Fprintf(&b, ", commit <code>%s</code>", html(v.Report.Code))
	}
	b.WriteString("</p></header>\n")
	for _, g := range v.Report.Gates {
		g.html(&b)
	}
	v.htmlData(&b)
	b.WriteString("</body></html>\n")
	return b.Bytes()
}

const htmlHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%s</title>
<style>
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#667;--line:#d5d9de;--pass:#1a7f37;--fail:#c0262d;--warn:#9a6700;--bg:#fff;--soft:#f5f6f8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#9aa3ad;--line:#3a4048;--pass:#4cc267;--fail:#ff7b80;--warn:#e0b341;--bg:#14171b;--soft:#1e2228}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--bg);max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}p{margin:.3rem 0}header p,.dim{color:var(--dim)}
table{border-collapse:collapse;width:100%%;margin:.5rem 0}td,th{border-bottom:1px solid var(--line);padding:.35rem .6rem;text-align:left;vertical-align:top}
th{color:var(--dim);font-weight:500}th.n{text-align:right}td.n{font-variant-numeric:tabular-nums;white-space:nowrap;text-align:right}
@media(max-width:68rem){td.n{white-space:normal}}
.v{font-weight:600}.pass{color:var(--pass)}.fail{color:var(--fail)}.warn,.inconclusive,.waived{color:var(--warn)}
code{font:13px ui-monospace,monospace;background:var(--soft);padding:.1rem .3rem;border-radius:3px;overflow-wrap:anywhere}
.plots{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{color:var(--dim);font-size:13px}
svg text{fill:var(--dim);font:11px system-ui,sans-serif}svg .axis{stroke:var(--line)}svg .guide{stroke:var(--dim);stroke-dasharray:4 3}
summary{cursor:pointer;color:var(--dim)}.sample td{font:13px ui-monospace,monospace}
</style></head><body>
`

func (g Result) html(b *bytes.Buffer) {
	fmt.Fprintf(b, "<h2><span class=\"v %s\">%s</span> %s</h2>\n<p class=dim>%s <code>%s</code>", word(g.Verdict), word(g.Verdict), html(g.Name),
		html(g.For.Kind), g.For.ID.Short())
	if g.For.Name != "" {
		b.WriteString(" " + html(g.For.Name))
	}
	if g.Against != nil {
		b.WriteString(" against " + html(g.Baseline()))
	}
	if compared := g.Compared(); compared != "" {
		b.WriteString("; " + html(compared))
	}
	b.WriteString("</p>\n")
	open, passed := g.Parted()
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
	for _, note := range g.Notes() {
		fmt.Fprintf(b, "<p class=dim>%s.</p>\n", html(sentence(note)))
	}
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
		fmt.Fprintf(b, "<tr><td class=\"v %s\">%s</td><td>%s</td>", f.Word(), f.Word(), html(f.Name))
		if compared {
			for _, cell := range f.comparison() {
				fmt.Fprintf(b, "<td class=n>%s</td>", html(cell))
			}
		} else {
			fmt.Fprintf(b, "<td>%s</td>", html(f.Shown))
		}
		fmt.Fprintf(b, "<td>%s</td></tr>\n", html(f.Needed()))
	}
	b.WriteString("</table>\n")
}

// htmlMore says of a finding that did not pass what the table has no room for.
func (f Finding) htmlMore(b *bytes.Buffer) {
	for _, said := range []string{f.Note, f.SaidWaiver(), f.Where()} {
		if said != "" {
			fmt.Fprintf(b, "<p><b>%s</b>: %s</p>\n", html(f.Name), html(said))
		}
	}
	rows := f.Failing.sampled()
	if rows == "" {
		return
	}
	fmt.Fprintf(b, "<details><summary>%s: %s</summary><table class=sample><tr>", html(f.Name), rows)
	for _, h := range f.Failing.Header {
		fmt.Fprintf(b, "<th>%s</th>", html(h))
	}
	b.WriteString("</tr>\n")
	for _, row := range f.Failing.Sample {
		b.WriteString("<tr>")
		for _, cell := range row {
			fmt.Fprintf(b, "<td>%s</td>", html(cell))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table></details>\n")
}

// htmlData lists the digests that the verdict stands on.
func (v View) htmlData(b *bytes.Buffer) {
	b.WriteString("<h2>What was judged</h2>\n<table><tr><th>what</th><th>name</th><th>digest</th></tr>\n")
	row := func(what string, r Ref) {
		fmt.Fprintf(b, "<tr><td>%s</td><td>%s</td><td><code>%s</code></td></tr>\n", html(what), html(r.Name), r.ID.Hex())
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

// html keeps text from being anything but text; control characters and characters that turn the direction of writing are shown as such.
func html(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&#34;")
		case r == '\'':
			b.WriteString("&#39;")
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
