package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"mlx/internal/cli"
	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// tableHead is the first rows of a table.
type tableHead struct {
	Columns []columnHead `json:"columns"`
	Rows    [][]*string  `json:"rows"`       // null where a value is missing
	Total   *int64       `json:"total_rows"` // null when only reading would tell
}

// columnHead is a column of a table.
type columnHead struct {
	Name string  `json:"name"`
	Type string  `json:"type"`
	From *string `json:"from"` // as the file calls the type; null of text files
}

// showTable shows the first rows of a table. It says whether the word names one: what does not is shown as what it is.
func (a *app) showTable(ctx context.Context, o showOptions) (shown bool, err error) {
	found, err := a.tableFiles(ctx, o.ref)
	only := o.ref == "-" || isTableURL(o.ref) || isPattern(o.ref) // it can be nothing but a table
	if err != nil {
		if only {
			return false, err
		}
		return false, nil // its error is better told by what follows
	}
	if ok, err := found.isTable(ctx); !ok && !only || err != nil {
		return false, found.close(err)
	}
	v := fileShown{Kind: "file/v1", Path: shownTable(o.ref), Type: "table", Entries: []entryView{}, Rows: []string{}}
	for _, f := range found.files {
		v.Bytes += max(f.Size, 0)
	}
	ref, err := found.ref(ctx)
	if err != nil {
		return false, found.close(err)
	}
	v.Digest = some(ref.ID.Hex())
	if ref.Kind == refSnapshot {
		v.Snapshot, v.Digest = &fault.Ref{Kind: refSnapshot, ID: ref.ID.Hex(), Name: ref.Name}, nil
	}
	t, err := found.open(ctx, dataset.Options{Workers: 1}, false)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if v.Table, err = tableHeadOf(ctx, t.Table, o.rows); err != nil {
		return false, err
	}
	return true, a.streams.Emit(v, func(t *cli.Text) {
		if t.TTY() {
			a.fileShownText(v, t)
			return
		}
		v.Table.text(t) // a program wants the rows alone
	})
}

// shownTable is where a table stands, fit to be printed.
func shownTable(where string) string {
	if isTableURL(where) {
		return shownURL(where)
	}
	return where
}

// isTable says whether files are a table: their names say so, or one is Parquet.
func (f *tableFiles) isTable(ctx context.Context) (bool, error) {
	for _, file := range f.files {
		if dataset.NamesTable(file.Name) {
			return true, nil
		}
	}
	in, err := f.files[0].Open(ctx)
	if err != nil {
		return false, err
	}
	defer in.Close()
	head := make([]byte, 4)
	if _, err := io.ReadFull(in, head); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fault.New(fault.KindOf(err), "cannot read %s: %w", f.files[0].Name, err)
	}
	return bytes.Equal(head, []byte("PAR1")), nil
}

func tableHeadOf(ctx context.Context, t *dataset.Table, n int) (*tableHead, error) {
	h := &tableHead{Columns: []columnHead{}}
	var err error
	if h.Rows, err = t.Head(ctx, n); err != nil {
		return nil, err
	}
	for _, f := range t.Schema() {
		c := columnHead{Name: f.Name, Type: typeOfField(f)}
		if f.From != "" {
			c.From = &f.From
		}
		h.Columns = append(h.Columns, c)
	}
	if total, ok := t.Rows(); ok {
		h.Total = &total
	}
	return h, nil
}

// typeOfField is a type as a schema writes it.
func typeOfField(f dataset.Field) string {
	_, text, _ := strings.Cut(dataset.Schema{{Name: "x", Type: f.Type, Scale: f.Scale}}.String(), " ")
	return text
}

// maxCell is how wide a value is on a terminal.
const maxCell = 40

// text writes the rows: aligned under names and types for people, separated by tabs for programs.
func (h *tableHead) text(t *cli.Text) {
	if h == nil {
		return
	}
	rows := make([][]cli.Cell, 0, len(h.Rows)+1)
	names := make([]string, len(h.Columns))
	types := make([]cli.Cell, len(h.Columns))
	for i, c := range h.Columns {
		names[i], types[i] = shortCell(printable(c.Name)), cli.Shown(cli.RoleDim, c.Type)
	}
	if t.TTY() {
		rows = append(rows, types)
	}
	for _, row := range h.Rows {
		cells := make([]cli.Cell, len(row))
		for i, v := range row {
			switch {
			case v == nil && t.TTY():
				cells[i] = cli.Shown(cli.RoleDim, "null")
			case v == nil:
				cells[i] = cli.None()
			case t.TTY():
				cells[i] = cli.Str(shortCell(printable(*v)))
			default:
				cells[i] = cli.Str(printable(*v))
			}
		}
		rows = append(rows, cells)
	}
	t.Table(names, rows)
	if h.Total != nil && t.TTY() {
		t.Line(cli.Shown(cli.RoleDim, cli.FormatNum(*h.Total, "row")))
	}
}

// printable escapes what would change the terminal, or the columns.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(hexByte(s[i]))
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20 || r == 0x7f:
			b.WriteString(hexByte(byte(r)))
		case unicode.IsPrint(r) || r == '\u00a0':
			b.WriteRune(r)
		default:
			b.WriteString(`\u{` + hexRune(r) + `}`)
		}
	}
	return b.String()
}

func hexByte(c byte) string {
	const digits = "0123456789abcdef"
	return `\x` + string([]byte{digits[c>>4], digits[c&15]})
}

func hexRune(r rune) string {
	const digits = "0123456789abcdef"
	var b []byte
	for shift := 20; shift >= 0; shift -= 4 {
		if d := r >> shift; d > 0 || len(b) > 0 || shift == 0 {
			b = append(b, digits[d&15])
		}
	}
	return string(b)
}

// shortCell cuts a value to the width of a column.
func shortCell(s string) string {
	runes := []rune(s)
	if len(runes) <= maxCell {
		return s
	}
	return string(runes[:maxCell-1]) + "…"
}
