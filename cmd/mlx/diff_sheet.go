package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"html"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// sheet is a table for a file: what a spreadsheet, a report or a page takes.
type sheet struct {
	head []string
	rows [][]cli.Cell
}

// sheetForms are the values of --format, and the extensions of -o but .json.
func sheetForms() []string { return []string{"csv", "markdown", "html"} }

// render writes the sheet in one of its forms, with the values that a program gets.
func (s sheet) render(form string) ([]byte, error) {
	var b bytes.Buffer
	table := csv.NewWriter(&b)
	line := func(fields []string, cell string) {
		switch form {
		case "csv":
			_ = table.Write(fields) // a buffer takes everything
		case "markdown":
			for i, f := range fields {
				fields[i] = strings.NewReplacer("|", `\|`, "\n", " ").Replace(f)
			}
			b.WriteString("| " + strings.Join(fields, " | ") + " |\n")
		case "html":
			b.WriteString("<tr>")
			for _, f := range fields {
				b.WriteString("<" + cell + ">" + html.EscapeString(f) + "</" + cell + ">")
			}
			b.WriteString("</tr>\n")
		}
	}
	if form == "html" {
		b.WriteString("<!doctype html>\n<meta charset=\"utf-8\">\n<title>mlx diff</title>\n" +
			"<style>body{font:14px sans-serif}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:2px 8px;text-align:left}</style>\n<table>\n")
	}
	line(slices.Clone(s.head), "th")
	if form == "markdown" {
		b.WriteString(strings.Repeat("| --- ", len(s.head)) + "|\n")
	}
	for _, row := range s.rows {
		fields := make([]string, len(row))
		for i, c := range row {
			fields[i] = c.Machine()
		}
		line(fields, "td")
	}
	table.Flush()
	if form == "html" {
		b.WriteString("</table>\n")
	}
	return b.Bytes(), table.Error()
}

// diffForms are the ways to write a comparison.
type diffForms struct {
	text  func(*cli.Text)
	sheet func() sheet
}

// finishDiff writes a comparison to the files of -o and to stdout, and answers with it.
func (a *app) finishDiff(v any, equal bool, o diffOptions, forms diffForms) error {
	for _, name := range o.outs {
		if sheetForm(name) == "svg" {
			continue // it is drawn
		}
		data, err := formOf(name, v, forms)
		if err == nil {
			err = repo.WriteFile(name, data, 0o666)
		}
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot write %s: %w", name, err)
		}
	}
	if o.format == "" || a.streams.JSON {
		return a.emitDiff(v, equal, forms.text)
	}
	if !equal {
		a.answer(no)
	}
	data, err := forms.sheet().render(o.format)
	if err != nil {
		return err
	}
	return a.streams.Raw(data)
}

func formOf(name string, v any, forms diffForms) ([]byte, error) {
	form := sheetForm(name)
	if form == "json" {
		data, err := json.MarshalIndent(v, "", "  ")
		return append(data, '\n'), err
	}
	return forms.sheet().render(form)
}

// sheetForm is the form that a file's extension asks for, empty for none.
func sheetForm(name string) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		return "csv"
	case ".md":
		return "markdown"
	case ".html":
		return "html"
	case ".json":
		return "json"
	case ".svg":
		return "svg"
	}
	return ""
}

func (o diffOptions) checkForms() error {
	if o.format != "" && !slices.Contains(sheetForms(), o.format) {
		return fault.New(fault.Usage, "cannot print a comparison as %q", o.format).Hint("--format csv, markdown or html; for JSON: --json")
	}
	for _, name := range o.outs {
		if sheetForm(name) == "" {
			return fault.New(fault.Usage, "cannot write %s: its extension says no form", name).Hint("-o FILE.csv, .md, .html, .json or .svg")
		}
	}
	return nil
}
