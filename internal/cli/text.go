package cli

import (
	"bytes"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
)

// Text renders an answer for a person at a terminal, or for a program that reads lines of tab-separated fields.
type Text struct {
	b     bytes.Buffer
	block []labelled // lines of KeyValue that wait for the longest key of their block
	tty   bool
	color bool
	width int
	now   time.Time
}

func (s *Streams) text() *Text {
	t := &Text{tty: s.OutTTY, color: s.Color, width: s.Width}
	if s.Now != nil {
		t.now = s.Now()
	}
	return t
}

// labelled is a line of KeyValue, or rows that stand among such lines.
type labelled struct {
	rows   string
	text   string // what stands for cells, if these are aligned already
	indent int
	key    string
	cells  []Cell
}

// bytes is all that was written.
func (t *Text) bytes() []byte {
	t.endBlock()
	return t.b.Bytes()
}

// TTY reports whether a person reads.
func (t *Text) TTY() bool { return t.tty }

// Width is how many columns the terminal has; 0 is unlimited.
func (t *Text) Width() int { return t.width }

// Plain writes text as it is. The caller vouches for its bytes.
func (t *Text) Plain(s string) {
	t.endBlock()
	t.b.WriteString(s)
}

// Line writes cells: two spaces apart for a person, a tab apart for a program.
func (t *Text) Line(cells ...Cell) { t.line(0, cells) }

// Indented is Line behind n spaces; a program sees no indent.
func (t *Text) Indented(n int, cells ...Cell) { t.line(n, cells) }

func (t *Text) line(indent int, cells []Cell) {
	t.endBlock()
	if !t.tty {
		t.b.WriteString(strings.Join(t.fields(cells), "\t") + "\n")
		return
	}
	words := make([]string, 0, len(cells))
	for _, c := range cells {
		if w := t.cell(c); w != "" {
			words = append(words, w)
		}
	}
	t.b.WriteString(strings.Repeat(" ", indent) + strings.Join(words, "  ") + "\n")
}

// KeyValue writes a labelled line. On a terminal keys of one block are padded to the same width, 8, or more if longer.
func (t *Text) KeyValue(indent int, key string, cells ...Cell) {
	if !t.tty {
		t.line(0, append([]Cell{Str(key)}, cells...))
		return
	}
	t.block = append(t.block, labelled{indent: indent, key: key, cells: cells})
}

// KeyRows writes rows under one key: their columns are aligned, and begin where the values of the block do.
func (t *Text) KeyRows(indent int, key string, rows [][]Cell) {
	if !t.tty {
		for _, row := range rows {
			t.KeyValue(indent, key, row...)
		}
		return
	}
	for _, line := range columns(t.words(rows)) {
		t.block = append(t.block, labelled{indent: indent, key: key, text: line})
		key = ""
	}
}

// endBlock writes the lines that waited. Each keeps its own indent: the values of a block begin in one column.
func (t *Text) endBlock() {
	block := t.block
	t.block = nil
	column := 0
	for _, l := range block {
		if l.rows == "" {
			column = max(column, l.indent+max(keyWidth, lipgloss.Width(l.key)))
		}
	}
	for _, l := range block {
		if l.rows != "" {
			t.b.WriteString(l.rows)
			continue
		}
		pad := column - l.indent - lipgloss.Width(l.key)
		if l.text != "" {
			t.b.WriteString(t.cut(strings.Repeat(" ", l.indent)+l.key+strings.Repeat(" ", pad+2)+l.text) + "\n")
			continue
		}
		t.line(l.indent, append([]Cell{Str(l.key + strings.Repeat(" ", pad))}, l.cells...))
	}
}

const keyWidth = 8

// Heading writes a line that only a person needs.
func (t *Text) Heading(cells ...Cell) {
	if t.tty {
		t.line(0, cells)
	}
}

// Table writes aligned columns under a header; a program gets neither header nor padding.
func (t *Text) Table(header []string, rows [][]Cell) { t.table(0, header, rows) }

// Rows writes aligned columns behind n spaces, without a header.
func (t *Text) Rows(indent int, rows [][]Cell) { t.table(indent, nil, rows) }

func (t *Text) table(indent int, header []string, rows [][]Cell) {
	if !t.tty {
		for _, row := range rows {
			fields := make([]string, 0, len(row))
			for i, c := range row {
				own := t.fields([]Cell{c})
				if i < len(row)-1 {
					own = []string{strings.Join(own, " ")} // columns stay columns; the last one may have fields of its own
				}
				fields = append(fields, own...)
			}
			t.b.WriteString(strings.Join(fields, "\t") + "\n")
		}
		return
	}
	var grid [][]string
	if header != nil {
		head := make([]string, len(header))
		for i, h := range header {
			head[i] = paint(t.color, RoleDim, h)
		}
		grid = append(grid, head)
	}
	var lines strings.Builder
	for _, line := range columns(append(grid, t.words(rows)...)) {
		lines.WriteString(t.cut(strings.Repeat(" ", indent)+line) + "\n")
	}
	t.put(indent, lines.String())
}

func (t *Text) words(rows [][]Cell) [][]string {
	grid := make([][]string, 0, len(rows))
	for _, row := range rows {
		line := make([]string, len(row))
		for i, c := range row {
			line[i] = t.cell(c)
		}
		grid = append(grid, line)
	}
	return grid
}

// put writes whole lines of a table; inside a block of labelled lines they do not end it.
func (t *Text) put(indent int, lines string) {
	if len(t.block) > 0 && (indent > 0 || lines == "") {
		if lines != "" {
			t.block = append(t.block, labelled{rows: lines})
		}
		return
	}
	t.endBlock()
	t.b.WriteString(lines)
}

// columns pads the words of each line, so that columns begin in one place.
func columns(grid [][]string) []string {
	var widths []int
	for _, line := range grid {
		for i, word := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], lipgloss.Width(word))
		}
	}
	lines := make([]string, 0, len(grid))
	for _, line := range grid {
		var b strings.Builder
		for i, word := range line {
			b.WriteString(word)
			if i < len(line)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-lipgloss.Width(word)+2))
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// cut shortens a line of a table to the terminal, so that columns stay columns.
func (t *Text) cut(line string) string {
	if t.width <= 1 || lipgloss.Width(line) <= t.width {
		return line
	}
	return lipgloss.NewStyle().MaxWidth(t.width-1).Render(line) + "…"
}

func (t *Text) cell(c Cell) string {
	s := c.human(t)
	if c.role == RolePlain {
		return s
	}
	return paint(t.color, c.role, s)
}

func (t *Text) ago(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	if t.now.IsZero() {
		return formatTime(at)
	}
	return FormatAgo(t.now.Sub(at))
}

// fields are what a program gets of cells. Colour is there only if it was forced.
func (t *Text) fields(cells []Cell) []string {
	var all []string
	for _, c := range cells {
		for _, f := range c.fields() {
			all = append(all, paint(t.color, c.role, f))
		}
	}
	return all
}

// Sentence renders cells as a person reads them, in one line without colour.
func Sentence(cells ...Cell) string {
	t := &Text{tty: true}
	t.Line(cells...)
	return strings.TrimSuffix(string(t.bytes()), "\n")
}

// Lines writes somebody else's text line by line, as it is but for what could move the cursor.
func (t *Text) Lines(s string) {
	t.endBlock()
	for line := range strings.Lines(s) {
		t.b.WriteString(clean(strings.TrimRight(line, "\r\n")) + "\n")
	}
}
