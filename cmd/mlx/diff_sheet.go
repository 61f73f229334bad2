package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

// sheet is a table for a file: what a spreadsheet, a report or a page takes.
type sheet struct {
	head []string
	rows [][]cli.Cell
}

// sheetForms are the values of --format, and the extensions of -o but .json.
func sheetForms() []string { return []string{"csv", "markdown", "html"} }

// render writes the sheet in one of its forms.
func (s sheet) render(form string) []byte {
	w := newTableWriter(form)
	if form == "html" {
		w.out.WriteString("<!doctype html>\n<meta charset=\"utf-8\">\n<title>mlx diff</title>\n" +
			"<style>body{font:14px sans-serif}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:2px 8px;text-align:left}</style>\n<table>\n")
	}
	w.head(s.head)
	for _, row := range s.rows {
		w.row(row)
	}
	if form == "html" {
		w.out.WriteString("</table>\n")
	}
	return w.bytes()
}

// diffForms are the ways to write a comparison.
type diffForms struct {
	text  func(*cli.Text)
	sheet func() sheet
}

// finishDiff writes a comparison to the files of -o and to stdout, and answers with it.
func (a *app) finishDiff(v any, equal bool, o diffOptions, forms diffForms) error {
	if err := writeForms(v, o.outs, forms); err != nil {
		return err
	}
	if o.format == "" || a.streams.JSON {
		return a.emitDiff(v, equal, forms.text)
	}
	if !equal {
		a.answer(no)
	}
	return a.streams.Raw(forms.sheet().render(o.format))
}

// writeForms writes a comparison to files.
func writeForms(v any, names []string, forms diffForms) error {
	for _, name := range names {
		if sheetForm(name) == "svg" {
			continue // it is drawn
		}
		data, err := formOf(name, v, forms)
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot write %s: %w", name, err)
		}
		if err := writeReport(name, data); err != nil {
			return err
		}
	}
	return nil
}

func formOf(name string, v any, forms diffForms) ([]byte, error) {
	form := sheetForm(name)
	if form == "json" {
		data, err := json.MarshalIndent(v, "", "  ")
		return append(data, '\n'), err
	}
	return forms.sheet().render(form), nil
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
