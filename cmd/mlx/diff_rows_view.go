package main

import (
	"strings"

	"mlx/internal/cli"
	"mlx/internal/dataset"
)

// rowsView is what diff/v1 says of rows.
type rowsView struct {
	Added   int64           `json:"added"`
	Removed int64           `json:"removed"`
	Changed int64           `json:"changed"`
	Schema  []rowSchemaView `json:"schema"`
	A       int64           `json:"rows_a"`
	B       int64           `json:"rows_b"`
	Key     []string        `json:"key"`     // empty: whole rows were compared
	Columns []rowColumnView `json:"columns"` // with changed cells
	Sample  []rowChangeView `json:"sample"`  // the first differences of each kind
}

type rowSchemaView struct {
	Column   string  `json:"column"`
	A        *string `json:"a"`
	B        *string `json:"b"`
	Compared bool    `json:"compared"` // its cells were compared all the same
}

type rowColumnView struct {
	Column  string          `json:"column"`
	Changed int64           `json:"changed"`
	Largest *rowLargestView `json:"largest"` // of numbers
}

type rowLargestView struct {
	Difference float64            `json:"difference"`
	Row        int64              `json:"row_a"`
	Key        map[string]*string `json:"key"`
	A          *string            `json:"a"`
	B          *string            `json:"b"`
}

type rowChangeView struct {
	Change string             `json:"change"`
	A      *int64             `json:"row_a"`
	B      *int64             `json:"row_b"`
	Key    map[string]*string `json:"key"`
	Cells  []rowCellView      `json:"cells"`
}

// rowCellView holds values as text, so that 64 bits survive; null where one is missing.
type rowCellView struct {
	Column string  `json:"column"`
	A      *string `json:"a"`
	B      *string `json:"b"`
}

func rowsViewOf(d *dataset.RowDiff, key []string) *rowsView {
	v := &rowsView{Added: d.Added, Removed: d.Removed, Changed: d.Changed, A: d.Rows[0], B: d.Rows[1], Key: append([]string{}, key...),
		Schema: []rowSchemaView{}, Columns: []rowColumnView{}, Sample: []rowChangeView{}}
	for _, s := range d.Schema {
		v.Schema = append(v.Schema, rowSchemaView{s.Column, some(s.A), some(s.B), s.Compared})
	}
	for _, c := range d.Columns {
		column := rowColumnView{Column: c.Column, Changed: c.Changed}
		if l := c.Largest; l != nil {
			column.Largest = &rowLargestView{l.Difference, l.Row, rowKeyView(key, l.Key), rowText(l.A), rowText(l.B)}
		}
		v.Columns = append(v.Columns, column)
	}
	for _, s := range d.Sample {
		change := rowChangeView{Change: s.Change, Key: rowKeyView(key, s.Key), Cells: []rowCellView{}}
		if s.A > 0 {
			change.A = &s.A
		}
		if s.B > 0 {
			change.B = &s.B
		}
		for _, c := range s.Cells {
			change.Cells = append(change.Cells, rowCellView{c.Column, rowText(c.A), rowText(c.B)})
		}
		v.Sample = append(v.Sample, change)
	}
	return v
}

func rowText(v dataset.RowValue) *string {
	if v.Missing {
		return nil
	}
	return &v.Text
}

func rowKeyView(names []string, values []dataset.RowValue) map[string]*string {
	key := make(map[string]*string, len(values))
	for i, v := range values {
		key[names[i]] = rowText(v)
	}
	return key
}

// Differences that a person is shown, of each kind, and how much of a value.
const (
	rowsShown     = 5
	rowValueShown = 60
)

func textOrNone(s *string) cli.Cell {
	if s == nil {
		return cli.None()
	}
	return cli.Str(*s)
}

func rowCell(v dataset.RowValue) cli.Cell {
	if v.Missing {
		return cli.None()
	}
	if r := []rune(v.Text); len(r) > rowValueShown {
		return cli.Str(string(r[:rowValueShown-1]) + "…")
	}
	return cli.Str(v.Text)
}

// text tells counts, the schema, cells by column, and the first differences.
func (d rowsDiff) text(t *cli.Text) {
	if d.Equal {
		t.Heading(cli.Fmt("same: %s", cli.Num(d.Rows.A, "row")))
		return
	}
	c := newComparison(t)
	c.head = append(c.head, cli.Str(d.A.Name), cli.Str(d.B.Name))
	told := d.fill(c, t.TTY())
	c.write()
	if more := d.Rows.Added + d.Rows.Removed + d.Rows.Changed - told; t.TTY() && more > 0 {
		t.Line(cli.Fmt("%s more: -o rows.csv", cli.Count(more)))
	}
}

// fill adds the sections and returns how many differences they tell. A person gets fewer than a program.
func (d rowsDiff) fill(c *comparison, person bool) int64 {
	c.add("rows", "all", cli.Count(d.Rows.A), cli.Count(d.Rows.B))
	c.add("rows", "removed", cli.Count(d.Rows.Removed), cli.Str(""))
	c.add("rows", "changed", cli.Count(d.Rows.Changed), cli.Count(d.Rows.Changed))
	c.add("rows", "added", cli.Str(""), cli.Count(d.Rows.Added))
	for _, s := range d.Rows.Schema {
		c.add("schema", s.Column, textOrNone(s.A), textOrNone(s.B))
	}
	for _, s := range d.found.Columns {
		cells := []cli.Cell{cli.Count(s.Changed)}
		if l := s.Largest; l != nil && person {
			cells = append(cells, cli.Str("by up to "+cli.FormatFloat(l.Difference)+", at "+d.rowName(l.Key, l.Row)))
		} else if l != nil {
			cells = append(cells, cli.Float(l.Difference))
		}
		c.add("cells changed", s.Column, cells...)
	}
	var told int64
	seen := make(map[string]int)
	for _, s := range d.found.Sample {
		if seen[s.Change]++; person && seen[s.Change] > rowsShown {
			continue
		}
		told++
		d.change(c, s, person)
	}
	return told
}

// change adds a difference: of a changed row a line for each cell, of another one a line.
func (d rowsDiff) change(c *comparison, s dataset.RowChange, person bool) {
	name := d.rowName(s.Key, max(s.A, s.B))
	switch s.Change {
	case dataset.RowRemoved:
		c.add(s.Change, name, rowCell(rowWhole(s, func(c dataset.RowCell) dataset.RowValue { return c.A })), cli.Str(""))
		return
	case dataset.RowAdded:
		c.add(s.Change, name, cli.Str(""), rowCell(rowWhole(s, func(c dataset.RowCell) dataset.RowValue { return c.B })))
		return
	}
	for _, cell := range s.Cells {
		if person {
			c.add(s.Change, name+"  "+cell.Column, rowCell(cell.A), rowCell(cell.B))
		} else {
			c.add(s.Change, name, cli.Str(cell.Column), rowCell(cell.A), rowCell(cell.B))
		}
	}
}

// rowWhole is a row without its key in one value, for people.
func rowWhole(s dataset.RowChange, side func(dataset.RowCell) dataset.RowValue) dataset.RowValue {
	words := make([]string, len(s.Cells))
	for i, c := range s.Cells {
		words[i] = side(c).Text
	}
	return dataset.RowValue{Text: strings.Join(words, ", ")}
}

// sheet is the comparison as a table for a report: the same sections.
func (d rowsDiff) sheet() sheet {
	c := newComparison(nil)
	d.fill(c, true)
	s := sheet{head: []string{"", "", d.A.Name, d.B.Name}}
	for i, row := range c.rows {
		line := []cli.Cell{cli.Str(c.sections[i]), cli.Str(""), cli.Str(""), cli.Str("")}
		copy(line[1:], row)
		s.rows = append(s.rows, line)
	}
	return s
}

// rowName is the key of a row, or its number.
func (d rowsDiff) rowName(key []dataset.RowValue, row int64) string {
	if len(key) == 0 {
		return "row " + cli.FormatCount(row)
	}
	words := make([]string, len(key))
	for i, v := range key {
		words[i] = v.Text
	}
	return strings.Join(words, ", ")
}
