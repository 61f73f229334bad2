package main

import (
	"bytes"
	"encoding/csv"
	"html"
	"strings"

	"mlx/internal/cli"
)

// tableWriter writes a table as csv, markdown or the rows of html, with the values that a program gets.
type tableWriter struct {
	form string
	out  bytes.Buffer
	csv  *csv.Writer
}

func newTableWriter(form string) *tableWriter {
	w := &tableWriter{form: form}
	w.csv = csv.NewWriter(&w.out)
	return w
}

// head writes the names of the columns.
func (w *tableWriter) head(names []string) {
	w.line(names, "th")
	if w.form == "markdown" {
		w.out.WriteString(strings.Repeat("| --- ", len(names)) + "|\n")
	}
}

func (w *tableWriter) row(cells []cli.Cell) {
	fields := make([]string, len(cells))
	for i, c := range cells {
		fields[i] = c.Machine()
	}
	w.line(fields, "td")
}

func (w *tableWriter) line(fields []string, cell string) {
	switch w.form {
	case "csv":
		_ = w.csv.Write(fields) // a buffer takes everything
	case "markdown":
		w.out.WriteString("|")
		for _, f := range fields {
			w.out.WriteString(" " + markdownText(f) + " |")
		}
		w.out.WriteString("\n")
	case "html":
		w.out.WriteString("<tr>")
		for _, f := range fields {
			w.out.WriteString("<" + cell + ">" + html.EscapeString(f) + "</" + cell + ">")
		}
		w.out.WriteString("</tr>\n")
	}
}

// bytes is what was written so far.
func (w *tableWriter) bytes() []byte {
	w.csv.Flush()
	return w.out.Bytes()
}

// markdownText keeps a value what it is in Markdown: no column, tag, code or link of its own.
func markdownText(s string) string {
	if !strings.ContainsAny(s, "\\|<`[") {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "`", "\\`", "[", `\[`).Replace(s)
}
