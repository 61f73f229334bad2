// Package page hides what keeps a report one page of HTML, or one comment of Markdown, and nothing else: how it looks in light and dark
// without a script, a font or a picture from elsewhere, and how words of strangers stay words in it.
package page

import (
	"fmt"
	"strings"
	"unicode"
)

// Head begins a page: its title, and the rules of style that it needs beside those of all pages.
func Head(title, style string) string { return fmt.Sprintf(head, HTML(title), style) }

// Tail ends a page.
const Tail = "</body></html>\n"

const head = `<!doctype html>
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
%s</style></head><body>
`

// HTML keeps text from being anything but text; control characters and characters that turn the direction of writing are shown as such.
func HTML(s string) string {
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

// Markdown keeps text from being anything but text inside a table: no markup, no HTML, no mention, no new line.
func Markdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < ' ' || r == 0x7f || unicode.Is(unicode.Bidi_Control, r):
			b.WriteByte(' ')
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@':
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*[]|#~!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Code keeps text inside a span of code of Markdown.
func Code(s string) string {
	return strings.NewReplacer("`", "'", "|", "/", "\n", " ", "\r", " ").Replace(s)
}
