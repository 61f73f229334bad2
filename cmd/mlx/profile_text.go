package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mlx/internal/cli"
	"mlx/internal/dataset"
)

// profileScreen is a profile as it is read at a terminal, or in a pipe.
type profileScreen struct {
	view    profileView
	unicode bool
	width   int // 0: any
}

const (
	profileName  = 24 // characters of a name that are shown
	profileCell  = 12 // of a value
	profileShape = 10
	profileNotes = 12
)

func (s profileScreen) text(t *cli.Text) {
	if !t.TTY() {
		t.Rows(0, s.fields())
		return
	}
	what := s.view.Tables[0]
	if n := len(s.view.Tables); n > 1 {
		what += fmt.Sprintf(" and %d more", n-1)
	}
	t.Line(cli.Path(what), cli.Num(s.view.Rows, "row"), cli.Num(int64(len(s.view.Columns)), "column"))
	header, rows := s.grid()
	t.Table(header, rows)
	notes := s.notes()
	for _, note := range notes[:min(len(notes), profileNotes)] {
		t.Indented(2, cli.Str(s.cut(note, max(s.width-2, 40))))
	}
	if more := len(notes) - profileNotes; more > 0 {
		t.Indented(2, cli.Str(fmt.Sprintf("and %s: -o profile.html has them all", cli.FormatNum(int64(more), "more note"))))
	}
}

// fields are the lines of a pipe: name, type, missing, NaN, infinite, distinct, min, median, max, mean, std, most frequent value, its count.
func (s profileScreen) fields() [][]cli.Cell {
	rows := make([][]cli.Cell, 0, len(s.view.Columns))
	for _, c := range s.view.Columns {
		low, high, _ := c.column.Range()
		row := []cli.Cell{cli.Str(c.Name), cli.Str(c.Type), cli.Count(c.Missing), cli.Count(c.NaN), cli.Count(c.PlusInf + c.MinusInf), cli.Count(c.Distinct),
			cli.Str(low.Text), cli.Str(c.quantile(0.5)), cli.Str(high.Text), cli.Str(number(c.Mean)), cli.Str(number(c.Std))}
		if len(c.Top) > 0 {
			row = append(row, cli.Str(c.Top[0].text), cli.Count(c.Top[0].Count))
		} else {
			row = append(row, cli.None(), cli.None())
		}
		rows = append(rows, row)
	}
	return rows
}

// grid is a line for each column. Where the terminal is narrow, columns of it that say less are left out.
func (s profileScreen) grid() (header []string, rows [][]cli.Cell) {
	header = []string{"COLUMN", "TYPE", "MISSING", "DISTINCT", "MIN", "MEDIAN", "MAX", "SHAPE"}
	words := make([][]string, 0, len(s.view.Columns))
	for _, c := range s.view.Columns {
		words = append(words, s.line(c))
	}
	widths := gridWidths(header, words)
	keep := []int{0, 1, 2, 3, 4, 5, 6, 7}
	for _, drop := range []int{3, 4, 6, 1, 5} {
		if s.width == 0 || gridWidth(widths, keep) <= s.width {
			break
		}
		keep = slices.DeleteFunc(keep, func(i int) bool { return i == drop })
	}
	var head []string
	for _, i := range keep {
		title := header[i]
		if i > 1 && i < 7 {
			title = fmt.Sprintf("%*s", widths[i], title)
		}
		head = append(head, title)
	}
	for _, line := range words {
		var row []cli.Cell
		for _, i := range keep {
			word := line[i]
			if i > 1 && i < 7 {
				word = strings.Repeat(" ", widths[i]-utf8.RuneCountInString(word)) + word
			}
			row = append(row, cli.Str(word))
		}
		rows = append(rows, row)
	}
	return head, rows
}

// gridWidths are the characters of the widest word of each column.
func gridWidths(header []string, words [][]string) []int {
	widths := make([]int, len(header))
	for i, title := range header {
		widths[i] = len(title)
		for _, line := range words {
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
	}
	return widths
}

// gridWidth is how wide the columns that are kept are together.
func gridWidth(widths, keep []int) int {
	n := -2
	for _, i := range keep {
		n += 2 + widths[i]
	}
	return n
}

func (s profileScreen) line(c profileColumnView) []string {
	low, high, _ := c.column.Range()
	distinct := cli.FormatCount(c.Distinct)
	if !c.DistinctExact {
		distinct = "~" + distinct
	}
	return []string{s.cut(plainWord(c.Name), profileName), c.Type, profileShare(c.Missing, s.view.Rows), distinct, s.short(c, low.Text), s.short(c, c.quantile(0.5)),
		s.short(c, high.Text), s.shape(c)}
}

// plainWord is text without what could move the cursor, so that its width is known.
func plainWord(text string) string { return cli.Sentence(cli.Str(text)) }

// cut shortens text to n characters.
func (s profileScreen) cut(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	if s.unicode {
		return string(runes[:n-1]) + "…"
	}
	return string(runes[:n-2]) + ".."
}

// short writes a value in a few characters.
func (s profileScreen) short(c profileColumnView, text string) string {
	if text == "" || utf8.RuneCountInString(text) <= profileCell {
		return plainWord(text)
	}
	switch c.column.Type {
	case dataset.Float, dataset.Decimal, dataset.Int, dataset.Uint:
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return strconv.FormatFloat(v, 'g', 6, 64)
		}
	case dataset.Time:
		return text[:len("2006-01-02")]
	default: // the others are cut as text
	}
	return s.cut(plainWord(text), profileCell)
}

func profileShare(n, of int64) string {
	if n == 0 {
		return "-"
	}
	share := 100 * float64(n) / float64(of)
	switch {
	case share < 0.1:
		return "<0.1 %"
	case share > 99.9 && n < of:
		return ">99.9 %"
	}
	return strconv.FormatFloat(share, 'f', 1, 64) + " %"
}

// shape draws how the values are spread: numbers in bins of equal width, the other values the most frequent first.
func (s profileScreen) shape(c profileColumnView) string {
	switch {
	case c.Private:
		return "private"
	case c.Values == 0 && c.Missing == s.view.Rows:
		return "empty"
	case c.Constant:
		return "constant"
	}
	var heights []int64
	if h, ok := c.column.Histogram(profileShape); ok {
		heights = h.Counts
	} else {
		for _, top := range c.Top {
			heights = append(heights, top.Count)
		}
	}
	if len(heights) == 0 || c.Unique != "no" && c.column.Type >= dataset.Text {
		return ""
	}
	blocks := []rune(" ▁▂▃▄▅▆▇█")
	if !s.unicode {
		blocks = []rune(" .:-=+*#@")
	}
	most := slices.Max(heights)
	var b strings.Builder
	for _, n := range heights {
		step := 0
		if n > 0 {
			step = 1 + int(float64(n)/float64(most)*7+0.5)
		}
		b.WriteRune(blocks[step])
	}
	return b.String()
}

// notes are sentences on what a person should know of a column.
func (s profileScreen) notes() []string {
	var all []string
	for _, c := range s.view.Columns {
		var facts []string
		if c.Missing > 0 {
			facts = append(facts, fmt.Sprintf("%s missing, %s", cli.FormatCount(c.Missing), profileShare(c.Missing, s.view.Rows)))
		}
		for _, n := range []struct {
			count int64
			what  string
		}{{c.NaN, "NaN"}, {c.PlusInf, "+infinity"}, {c.MinusInf, "-infinity"}} {
			if n.count > 0 {
				facts = append(facts, cli.FormatCount(n.count)+" "+n.what)
			}
		}
		if c.Empty != nil && *c.Empty > 0 {
			facts = append(facts, cli.FormatCount(*c.Empty)+" empty")
		}
		facts = append(facts, s.remarks(c)...)
		if len(facts) > 0 {
			all = append(all, s.cut(plainWord(c.Name), profileName)+": "+strings.Join(facts, "; "))
		}
	}
	return all
}

func (s profileScreen) remarks(c profileColumnView) []string {
	var facts []string
	if c.Constant && len(c.Top) > 0 {
		facts = append(facts, "always "+s.cut(plainWord(c.Top[0].text), profileName))
	} else if len(c.Top) > 0 && c.Unique == "no" && (c.column.Type >= dataset.Text && c.Top[0].Share >= 0.05 || c.Top[0].Share >= 0.5) {
		facts = append(facts, fmt.Sprintf("most often %q, %s", s.cut(plainWord(c.Top[0].text), profileName), profileShare(c.Top[0].Count, s.view.Rows)))
	}
	switch {
	case c.Unique == "yes" && s.view.Rows > 1 && c.column.Type != dataset.Float:
		facts = append(facts, "no value twice")
	case c.Unique == "likely":
		facts = append(facts, "hardly any value twice")
	}
	for _, look := range c.Looks {
		if look != "key" {
			facts = append(facts, "looks like "+look)
		}
	}
	return facts
}
