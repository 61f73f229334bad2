package drift

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
)

// Predictions is a table of predictions, and what its columns are for.
type Predictions struct {
	Source
	ID, Score, Class string // columns; empty: the table has none
	Label            string // column of outcomes beside the scores; empty: there is none
	Time             string // column of the time of a prediction
}

// Labelled are the predictions that have an outcome, as a table of their own. Its columns are those of the predictions and LabelColumn.
type Labelled struct {
	Name      string
	Ref       gate.Ref
	Table     *dataset.Table
	Rows      int64 // predictions that count
	Labelled  int64
	Corrected int64 // labels that another one had replaced
	// OldestHalf and NewestHalf are the shares with a label of the older and of the newer half of the predictions, in the order of the table.
	OldestHalf, NewestHalf float64
	Places                 []int64 // rows of the labelled in the table of predictions, from 1

	LabelColumn string
	file        string
}

// Close removes the temporary file.
func (l *Labelled) Close() error {
	err := l.Table.Close()
	return errors.Join(err, os.Remove(l.file))
}

// labelNull is the word of the temporary file for a missing value.
const labelNull = `\N`

// Label joins outcomes to predictions: those beside the scores, and those of tables, of which the later ones count. columns are those to
// keep; nil: all.
func (p Predictions) Labelled(ctx context.Context, tables []LabelTable, columns []string, o LabelOptions) (*Labelled, error) {
	l := &Labelled{Name: p.Name, Ref: p.Ref, LabelColumn: p.Label}
	if l.LabelColumn == "" {
		l.LabelColumn = "label"
	}
	if err := p.Table.Settle(ctx); err != nil {
		return nil, err
	}
	known, err := p.joined(ctx, tables, l, o)
	if err != nil {
		return nil, err
	}
	if err := l.write(ctx, p, known, columns, o); err != nil {
		return nil, err
	}
	return l, nil
}

// outcomes are labels by row of the table of predictions.
type outcomes struct {
	codes []int32 // -1: none
	names []string
}

func (o *outcomes) set(index map[string]int32, row int64, text []byte) {
	for int64(len(o.codes)) <= row {
		o.codes = append(o.codes, -1)
	}
	code, known := index[string(text)]
	if !known {
		code = int32(len(o.names))
		o.names = append(o.names, string(text))
		index[string(text)] = code
	}
	o.codes[row] = code
}

func (o *outcomes) at(row int64) (string, bool) {
	if row >= int64(len(o.codes)) || o.codes[row] < 0 {
		return "", false
	}
	return o.names[o.codes[row]], true
}

// joined finds the label of each prediction by its id.
func (p Predictions) joined(ctx context.Context, tables []LabelTable, l *Labelled, o LabelOptions) (*outcomes, error) {
	known := &outcomes{}
	if len(tables) == 0 {
		return known, nil
	}
	if p.ID == "" {
		return nil, fault.New(fault.Usage, "cannot join labels to %s: it has no column of ids", p.Name).
			Hint("predictions: {table: …, id: COLUMN}   # its columns are %s", p.Table.Schema().String())
	}
	j := newLabelJoin(o)
	defer j.close()
	if _, err := j.predictions(ctx, p.Source, labelColumns{id: p.ID}); err != nil {
		return nil, err
	}
	for _, t := range tables {
		if _, _, err := j.labels(ctx, t, nil); err != nil {
			return nil, err
		}
	}
	index := map[string]int32{}
	return known, j.groups(ctx, func(of []labelEntry) error {
		if of[0].rank != 0 {
			return nil
		}
		label := labelIn(of)
		if label == nil {
			return nil
		}
		said := slices.DeleteFunc(slices.Clone(of), func(e labelEntry) bool { return e.rank == 0 })
		if len(said) > 1 && string(said[0].text) != string(label) {
			l.Corrected++
		}
		for _, e := range of {
			if e.rank == 0 {
				known.set(index, e.row, label)
			}
		}
		return nil
	})
}

// write makes the table of labelled predictions.
func (l *Labelled) write(ctx context.Context, p Predictions, known *outcomes, columns []string, o LabelOptions) (err error) {
	schema := l.columns(p, columns)
	read := slices.DeleteFunc(schema.Names(), func(n string) bool { return n == l.LabelColumn && p.Label == "" })
	if err := os.MkdirAll(o.Temp, 0o777); err != nil {
		return fault.New(fault.KindOf(err), "cannot join labels to %s: %w", p.Name, err)
	}
	f, err := os.CreateTemp(o.Temp, "mlx-labelled-*.csv")
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot join labels to %s: %w", p.Name, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	l.file = f.Name()
	buffered := bufio.NewWriterSize(f, 1<<18)
	w := labelledWriter{l: l, w: csv.NewWriter(buffered), schema: schema, known: known}
	if err := w.w.Write(schema.Names()); err != nil {
		return err
	}
	if err := p.eachRow(ctx, read, w.row); err != nil {
		return err
	}
	w.w.Flush()
	if err := errors.Join(w.w.Error(), buffered.Flush(), f.Close()); err != nil {
		return fault.New(fault.KindOf(err), "cannot join labels to %s: %w", p.Name, err)
	}
	w.halves()
	return l.open(ctx, schema)
}

// columns are those of the temporary table.
func (l *Labelled) columns(p Predictions, only []string) dataset.Schema {
	var schema dataset.Schema
	for _, f := range p.Table.Schema() {
		if f.Name != l.LabelColumn && (only == nil || slices.Contains(only, f.Name)) && f.Type != dataset.Nested && f.Type != dataset.Bytes {
			schema = append(schema, f)
		}
	}
	return append(schema, dataset.Field{Name: l.LabelColumn})
}

// labelledWriter writes the rows that have an outcome.
type labelledWriter struct {
	l      *Labelled
	w      *csv.Writer
	schema dataset.Schema
	known  *outcomes
	line   []string
	text   []byte
	has    []bool // whether a prediction that counts has a label, in order
}

func (w *labelledWriter) row(b *dataset.Batch, i int, row int64) error {
	w.l.Rows++
	label, ok := w.known.at(row)
	w.line = w.line[:0]
	for k := range w.schema[:len(w.schema)-1] {
		w.line = append(w.line, w.cell(&b.Columns[k], i))
	}
	if beside := len(w.schema) - 1; !ok && beside < len(b.Columns) && b.Columns[beside].Name == w.l.LabelColumn && !labelMissing(&b.Columns[beside], i) {
		label, ok = w.cell(&b.Columns[beside], i), true
	}
	w.has = append(w.has, ok)
	if !ok {
		return nil
	}
	w.l.Labelled++
	w.l.Places = append(w.l.Places, row+1)
	return w.w.Write(append(w.line, label))
}

func (w *labelledWriter) cell(c *dataset.Column, i int) string {
	if c.Missing.Has(i) {
		return labelNull
	}
	w.text = cellText(w.text[:0], c, i)
	return string(w.text)
}

// halves says whether labels are missing rather of the newer predictions.
func (w *labelledWriter) halves() {
	share := func(part []bool) float64 {
		n := 0
		for _, has := range part {
			if has {
				n++
			}
		}
		if len(part) == 0 {
			return math.NaN()
		}
		return float64(n) / float64(len(part))
	}
	middle := len(w.has) / 2
	w.l.OldestHalf, w.l.NewestHalf = share(w.has[:middle]), share(w.has[middle:])
}

// open reads the temporary table with the types that its columns had.
func (l *Labelled) open(ctx context.Context, schema dataset.Schema) error {
	info, err := os.Stat(l.file)
	if err != nil {
		return err
	}
	f := dataset.File{Name: l.Name, Size: info.Size(),
		Open: func(context.Context) (io.ReadCloser, error) { return os.Open(l.file) },
		At:   func(context.Context) (dataset.Random, error) { return os.Open(l.file) }}
	opts := dataset.Options{Format: "csv", Comma: ',', Nulls: []string{labelNull}}
	for _, c := range schema[:len(schema)-1] {
		if c.Type == dataset.Null {
			continue
		}
		if c.Wide {
			c.Type, c.Scale = dataset.Float, 0
		}
		opts.Schema = append(opts.Schema, dataset.Field{Name: c.Name, Type: c.Type, Scale: c.Scale})
	}
	if l.Table, err = dataset.Open(ctx, []dataset.File{f}, opts); err != nil {
		return err
	}
	return l.Table.Settle(ctx)
}

// reading are columns and behind them, if it is not among them, the one by which rows count.
func (s Source) reading(columns []string) []string {
	if s.Rows.Time == "" || slices.Contains(columns, s.Rows.Time) {
		return columns
	}
	return append(slices.Clone(columns), s.Rows.Time)
}

// eachRow visits the rows that count, in the order of the table: row i of a batch, whose first columns are those that were asked for, and its
// number in the table, from 0.
func (s Source) eachRow(ctx context.Context, columns []string, visit func(b *dataset.Batch, i int, row int64) error) error {
	columns = s.reading(columns)
	filter, err := s.rowFilter(columns)
	if err != nil {
		return err
	}
	var scratch partScratch
	var first, passed int64
	for b, err := range s.Table.Batches(ctx, dataset.Request{Columns: columns}) {
		if err != nil {
			return err
		}
		rows := filter.choose(b, &scratch)
		from, to := s.Rows.cut(passed, int64(rows.n))
		for k := from; k < to; k++ {
			i := rows.at(int(k))
			if err := visit(b, i, first+int64(i)); err != nil {
				return err
			}
		}
		first, passed = first+int64(b.Rows), passed+int64(rows.n)
	}
	return nil
}

func placeOf(row int64) string { return "row " + strconv.FormatInt(row+1, 10) }

// quoted quotes a value of a table, cut to what a message can hold.
func quoted(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strconv.Quote(text)
}
