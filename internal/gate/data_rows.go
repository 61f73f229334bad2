package gate

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mlx/internal/dataset"
)

const (
	dataRowsKept    = 20 // places of failing rows in a record
	dataRowsShown   = 5  // and in words
	dataSamples     = 5
	dataSampleRunes = 80
	dataPrivate     = "(private)" // in place of a value that is not to be shown
)

// rowJudge judges each row on its own: which rows break a limit, and which it says nothing about.
type rowJudge struct {
	frame   *dataFrame
	rule    Rule
	title   string
	columns []int // whose values the sample shows
	filter  int
	mark    func(b *dataBatch, bad, skip dataset.Bits) error // skipped rows are not judged; they may be marked bad as well
	is      string                                           // what a bad row is: "below 0"
	needs   string
	share   *float64 // of the bad rows that is allowed: nulls; else mostly says which share must be good
	limit   Limit

	judged, nan int64
	failing     Failing
	note        string
}

// rowPart is what a row judge found in a batch.
type rowPart struct {
	judged, bad, nan int64
	rows             []int32 // the first
	sample           [][]string
}

// judgeRows begins a judge of the rows of one column: values that are missing are skipped.
func (f *dataFrame) judgeRows(c dataColumn, is, needs string, mark func(b *dataBatch, bad dataset.Bits)) (*rowJudge, error) {
	j, err := f.newRowJudge(c.rule, c.title, []int{c.at})
	if err != nil {
		return nil, err
	}
	j.is, j.needs = is, needs
	j.mark = func(b *dataBatch, bad, skip dataset.Bits) error {
		mark(b, bad)
		dataUnion(skip, b.Columns[c.at].Missing)
		return nil
	}
	return j, nil
}

// newRowJudge begins a judge that shows the key of the table and these columns of its failing rows.
func (f *dataFrame) newRowJudge(r Rule, title string, columns []int) (*rowJudge, error) {
	filter, err := f.filter(r)
	if err != nil {
		return nil, err
	}
	return &rowJudge{frame: f, rule: r, title: title, filter: filter, columns: f.withKey(columns)}, nil
}

// withKey puts the columns that identify a row before others.
func (f *dataFrame) withKey(columns []int) []int {
	var all []int
	for _, name := range f.meaning.Key {
		if f.schema.Index(name) < 0 {
			continue
		}
		if at, err := f.column(Rule{}, name); err == nil && !slices.Contains(columns, at) {
			all = append(all, at)
		}
	}
	return append(all, columns...)
}

func (j *rowJudge) part(b *dataBatch) (any, error) {
	bad, skip := b.bits(), b.bits()
	if err := j.mark(b, bad, skip); err != nil {
		return nil, err
	}
	if j.filter >= 0 {
		for i, w := range b.filters[j.filter] {
			skip[i] |= ^w
		}
	}
	dataOnly(skip, b.Rows)
	p := rowPart{judged: int64(b.Rows - skip.Count())}
	for i := range bad {
		bad[i] &^= skip[i]
	}
	for i, w := range bad {
		for p.bad += int64(bits.OnesCount64(w)); w != 0 && len(p.rows) < dataRowsKept; w &= w - 1 {
			p.rows = append(p.rows, int32(i*64+bits.TrailingZeros64(w)))
		}
	}
	if p.bad > 0 {
		p.nan = j.countNaN(b, bad)
		for _, row := range p.rows[:min(len(p.rows), dataSamples)] {
			p.sample = append(p.sample, j.frame.sample(b.Batch, j.columns, int(row)))
		}
	}
	return p, nil
}

// countNaN counts the bad rows whose value is no number at all.
func (j *rowJudge) countNaN(b *dataBatch, bad dataset.Bits) (n int64) {
	c := &b.Columns[j.columns[len(j.columns)-1]]
	if c.Type != dataset.Float || j.rule.Kind != "column" {
		return 0
	}
	for i, w := range bad {
		for ; w != 0; w &= w - 1 {
			if v := c.Floats[i*64+bits.TrailingZeros64(w)]; v != v {
				n++
			}
		}
	}
	return n
}

func (j *rowJudge) merge(at dataset.Span, part any) error {
	p := part.(rowPart)
	j.judged += p.judged
	j.nan += p.nan
	j.failing.add(at, p)
	return nil
}

// add counts the bad rows of a batch, and keeps the first.
func (f *Failing) add(at dataset.Span, p rowPart) {
	f.Count += p.bad
	for _, row := range p.rows {
		if len(f.Rows) < dataRowsKept {
			f.Rows = append(f.Rows, RowAt{File: at.File, Row: at.Row + int64(row)})
		}
	}
	for _, s := range p.sample {
		if len(f.Sample) < dataSamples {
			f.Sample = append(f.Sample, s)
		}
	}
}

func (j *rowJudge) finish(context.Context) ([]Finding, error) { return []Finding{j.finding()}, nil }

// finding says how many rows break the limit, and whether that is too many. Where there is nothing to judge it cannot tell.
func (j *rowJudge) finding() Finding {
	r := j.rule
	f := r.finding()
	f.Name, f.Rows, f.Limit, f.Note = j.title, &j.judged, j.limit, j.note
	f.Needs = j.needs
	if r.Mostly != nil && j.share == nil {
		f.Needs += " in " + dataShare(*r.Mostly) + " of the rows"
	}
	if r.Where != "" {
		f.Needs += ", where " + r.Where
	}
	if j.failing.Count > 0 {
		failing := j.failing
		for _, at := range j.columns {
			failing.Header = append(failing.Header, j.frame.columns[at])
		}
		f.Failing = &failing
	}
	switch {
	case j.judged == 0:
		f.Verdict, f.Shown = Inconclusive, "no row to judge"
	case j.judged < r.MinRows:
		f.Verdict, f.Shown, f.RowsNeeded = Inconclusive, j.shown(), &r.MinRows
	default:
		f.Verdict, f.Shown = j.verdict(&f), j.shown()
	}
	return f
}

func (j *rowJudge) verdict(f *Finding) Verdict {
	bad := float64(j.failing.Count) / float64(j.judged)
	good := float64(j.judged-j.failing.Count) / float64(j.judged)
	switch {
	case j.share != nil:
		f.Value, f.Limit.Max = &bad, j.share
		if bad <= *j.share {
			return Pass
		}
		return Fail
	case j.rule.Mostly != nil:
		f.Value, f.Limit = &good, Limit{Min: j.rule.Mostly}
		if good >= *j.rule.Mostly {
			return Pass
		}
		return Fail
	case j.failing.Count > 0:
		return Fail
	}
	return Pass
}

// allowed is the share of bad rows that is let pass.
func (j *rowJudge) allowed() float64 {
	switch {
	case j.share != nil:
		return *j.share
	case j.rule.Mostly != nil:
		return 1 - *j.rule.Mostly
	}
	return 0
}

// shown says what was found: "3 of 1,000 rows are below 0: rows 17, 208, 911".
func (j *rowJudge) shown() string {
	n := j.failing.Count
	if n == 0 && j.share == nil {
		return dataCount(j.judged, "row")
	}
	text := fmt.Sprintf("%s of %s %s", thousands(n), dataCount(j.judged, "row"), dataAre(n)+" "+j.is)
	if j.nan > 0 {
		text += fmt.Sprintf(", %s of them NaN", thousands(j.nan))
	}
	if j.share != nil || j.rule.Mostly != nil {
		text += " (" + dataShare(float64(n)/float64(j.judged), j.allowed()) + ")"
	}
	if n > 0 {
		text += ": " + j.failing.places(len(j.frame.table.Files()) > 1)
	}
	return text
}

// places names the first rows: "rows 17, 208, 911"; in a table of several files with the file.
func (f *Failing) places(files bool) string {
	var b strings.Builder
	file := ""
	for i, at := range f.Rows[:min(len(f.Rows), dataRowsShown)] {
		switch {
		case i == 0:
			b.WriteString(dataPlural(f.Count, "row") + " ")
		case files && at.File != file:
			b.WriteString(" of " + file + ", row ")
		default:
			b.WriteString(", ")
		}
		file = at.File
		b.WriteString(strconv.FormatInt(at.Row, 10))
	}
	if files {
		b.WriteString(" of " + file)
	}
	if f.Count > dataRowsShown {
		b.WriteString(", ...")
	}
	return b.String()
}

// sample writes the values of a row as people may see them.
func (f *dataFrame) sample(b *dataset.Batch, columns []int, row int) []string {
	values := make([]string, len(columns))
	for i, at := range columns {
		values[i] = f.cell(&b.Columns[at], row)
	}
	return values
}

func (f *dataFrame) cell(c *dataset.Column, row int) string {
	switch {
	case c.Missing.Has(row):
		return ""
	case f.private(c.Name):
		return dataPrivate
	}
	return dataCut(string(c.AppendText(nil, row)))
}

// dataCut keeps the first 80 characters of a value. Bytes that are no text are replaced: a record is text.
func dataCut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= dataSampleRunes {
		return s
	}
	return string([]rune(s)[:dataSampleRunes-1]) + "…"
}

// dataQuote is a value in a sentence.
func dataQuote(s string) string { return strconv.Quote(dataCut(s)) }

// dataUnion puts the rows of one set into another.
func dataUnion(into, from dataset.Bits) {
	for i := range from {
		into[i] |= from[i]
	}
}

// dataOnly takes away what is beyond the last row.
func dataOnly(set dataset.Bits, rows int) {
	if rows&63 != 0 {
		set[len(set)-1] &= 1<<(rows&63) - 1
	}
}

func dataPlural(n int64, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func dataCount(n int64, word string) string { return thousands(n) + " " + dataPlural(n, word) }

func dataAre(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// dataShare writes a share so that what is not everything does not read as 100%, nor what is not nothing as 0%, nor what breaks a limit
// as the limit.
func dataShare(v float64, limits ...float64) string {
	for digits := 1; digits < 17; digits++ {
		text := strconv.FormatFloat(v*100, 'f', digits, 64)
		back, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(back-v*100) > math.Abs(min(v, 1-v))*5+1e-12 {
			continue
		}
		if !slices.ContainsFunc(append(limits, 0, 1), func(l float64) bool { return (back < l*100) != (v < l) || (back > l*100) != (v > l) }) {
			return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
		}
	}
	return strconv.FormatFloat(v*100, 'g', -1, 64) + "%"
}
