package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"mlx/internal/fault"
)

// textFile is a text file, opened: what CSV and JSON lines have in common.
type textFile struct {
	File
	opts     Options
	rules    *textRules
	head     Schema // of the first chunk
	d        dialect
	size     int  // of a chunk
	skip     int  // bytes before the first record
	whole    bool // the first chunk is all there is
	json     bool // JSON lines, else CSV
	array    bool // JSON lines: the records stand in one array
	decoders sync.Pool
	buffers  sync.Pool
	learned  atomic.Pointer[[]string] // JSON lines: keys that came after the first chunk
}

func (f *textFile) name() string   { return f.Name }
func (f *textFile) schema() Schema { return f.head }
func (f *textFile) rows() int64    { return -1 }

// settled says whether reading can change no type: none was inferred from less than all.
func (f *textFile) settled() bool { return f.whole }

// widens says whether the file can read a column as another type than its schema says: words can be read as anything that holds them.
func (f *textFile) widens(have, _ Field) bool {
	return !f.fixed(have.Name) || have.Type == Decimal || have.Type == Time
}

// fixed says whether the user gave the type of a column.
func (f *textFile) fixed(name string) bool { return f.opts.Schema.Index(name) >= 0 }

// units yields the chunks of the file.
func (f *textFile) units(ctx context.Context, want Schema) iter.Seq2[unit, error] {
	return func(yield func(unit, error) bool) {
		in, err := openText(ctx, f.File)
		if err != nil {
			yield(nil, err)
			return
		}
		defer in.Close()
		s := f.splitter(in)
		pass := f.pass(want)
		for {
			c, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&textUnit{pass, c}, nil) {
				return
			}
		}
	}
}

func (f *textFile) splitter(in *textStream) *textSplitter {
	s := newTextSplitter(in, f.d, f.size)
	s.skip, s.array = f.skip, f.array
	s.take = func(n int) []byte {
		if b, ok := f.buffers.Get().(*[]byte); ok && cap(*b) >= n {
			return (*b)[:0]
		}
		return make([]byte, 0, n)
	}
	return s
}

// textPass is one reading of a file.
type textPass struct {
	file  *textFile
	want  Schema
	at    []int     // where the columns that are wanted stand, -1: not in this file
	loose []bool    // their types were given by the user
	keys  *jsonKeys // JSON lines
}

func (f *textFile) pass(want Schema) *textPass {
	p := &textPass{file: f, want: want}
	index := make(map[string]int, len(f.head))
	for i := range f.head {
		index[f.head[i].Name] = i
	}
	if f.json {
		p.keys = f.keys(want)
	}
	for i := range want {
		at, ok := index[want[i].Name]
		switch {
		case f.json:
			at = i
		case !ok:
			at = -1
		}
		p.at = append(p.at, at)
		p.loose = append(p.loose, f.fixed(want[i].Name))
	}
	return p
}

// textUnit is a chunk on its way to a worker.
type textUnit struct {
	*textPass
	chunk textChunk
}

// textDecoder is the memory that decodes one chunk at a time.
type textDecoder struct {
	grid    csvGrid
	lines   jsonGrid
	words   []word
	columns []textColumn
	batch   Batch
}

// textGrid is where the values of a chunk stand.
type textGrid interface {
	rows() int
	// words returns the words of a column, in the memory of the first argument, and the buffer that they stand in.
	words(words []word, column int) ([]word, []byte)
	// position is the byte of the chunk at which the value of a row stands.
	position(row, column int) int
}

// decode yields the batches of the chunk: one of a CSV, several of JSON lines with many columns.
func (u *textUnit) decode(context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		d, ok := u.file.decoders.Get().(*textDecoder)
		if !ok {
			d = &textDecoder{}
		}
		u.batches(d, yield)
		u.file.decoders.Put(d)
		if buf := u.chunk.buf[:0]; cap(buf) <= 4*u.file.size {
			u.file.buffers.Put(&buf)
		}
	}
}

func (u *textUnit) batches(d *textDecoder, yield func(*Batch, error) bool) {
	f := u.file
	err := checkText(f.Name, u.chunk.buf, u.chunk.line, f.d.eol)
	if err == nil && f.json {
		u.records(d, yield)
		return
	}
	if err == nil {
		err = u.rows(d)
	}
	if err != nil {
		yield(nil, err)
	} else if d.batch.Rows > 0 {
		yield(&d.batch, nil)
	}
}

// rows decodes a chunk of a CSV.
func (u *textUnit) rows(d *textDecoder) error {
	if flaw := d.grid.scan(u.chunk, u.file.d, len(u.file.head)); flaw != nil {
		return u.file.flaw(u.chunk, flaw)
	}
	return d.fill(u, &d.grid)
}

// fill converts the columns that are wanted.
func (d *textDecoder) fill(u *textUnit, g textGrid) error {
	d.batch.Rows = g.rows()
	if cap(d.columns) < len(u.want) {
		d.columns = make([]textColumn, len(u.want))
		d.batch.Columns = make([]Column, len(u.want))
	}
	d.columns, d.batch.Columns = d.columns[:len(u.want)], d.batch.Columns[:len(u.want)]
	var wider *widening
	for i, want := range u.want {
		c := &d.columns[i]
		c.loose = u.loose[i]
		var buf []byte
		at := u.at[i]
		if at >= 0 {
			d.words, buf = g.words(d.words, at)
		} else {
			d.words = missingWords(d.words, g.rows())
		}
		to, err := u.file.settle(c, want, d.words, buf, func(row int) int64 { return u.lineOf(g.position(row, at)) })
		if err != nil {
			return err
		}
		if to != want {
			wider = &widening{column: want.Name, to: to, next: wider}
		}
		d.batch.Columns[i] = c.Column
	}
	if wider != nil {
		return wider
	}
	return nil
}

// settle fills a column, and widens its type until each word fits.
func (f *textFile) settle(c *textColumn, want Field, words []word, buf []byte, line func(int) int64) (Field, error) {
	for {
		row := c.fill(f.rules, want, words, buf)
		if row < 0 {
			return want, nil
		}
		w := words[row]
		v := buf[w.at:w.end]
		if !c.loose {
			why := &Place{File: f.Name, Line: line(row), Column: want.Name, Value: shortValue(v)}
			if want.Type == Null {
				why = nil
			}
			want = f.rules.wider(want, v, w.kind)
			want.Why = why
			continue
		}
		wider, ok := f.rules.widerFixed(want, v)
		if !ok {
			return want, f.misfit(want, v, line(row))
		}
		want = wider
	}
}

// misfit is the error for a value that is not of the type that the user gave to its column.
func (f *textFile) misfit(want Field, v []byte, line int64) error {
	return fault.New(fault.Usage, "cannot read %s: line %d, column %q: %q is no %s", f.Name, line, want.Name, shortValue(v), typeText(want)).
		In(fault.Position{File: f.Name, Line: int(line)})
}

// typeText is a type as a schema writes it.
func typeText(f Field) string {
	if f.Type == Decimal {
		return fmt.Sprintf("decimal(%d)", f.Scale)
	}
	return f.Type.String()
}

// shortValue is a value cut to what fits a message.
func shortValue(v []byte) string {
	if len(v) <= 80 {
		return string(v)
	}
	return string(bytes.ToValidUTF8(v[:77], nil)) + "..."
}

func missingWords(words []word, n int) []word {
	words = words[:0]
	for range n {
		words = append(words, word{kind: wordMissing})
	}
	return words
}

// lineOf is the line of a byte of the chunk.
func (u *textUnit) lineOf(at int) int64 {
	return u.chunk.line + int64(bytes.Count(u.chunk.buf[:at], []byte{u.file.d.eol}))
}

// position is where the field of a row begins.
func (g *csvGrid) position(row, column int) int {
	return int(g.ends[row*(g.columns+1)+column] + 1)
}

// flaw says why a chunk is no grid.
func (f *textFile) flaw(c textChunk, flaw *csvFlaw) error {
	line := c.line + int64(bytes.Count(c.buf[:flaw.at], []byte{f.d.eol}))
	at := fault.Position{File: f.Name, Line: int(line)}
	if flaw.fields == 0 {
		return fault.New(fault.Usage, "cannot read %s: line %d closes a quote in the middle of a value; a quote inside of quotes is written twice", f.Name, line).In(at)
	}
	return fault.New(fault.Usage, "cannot read %s: line %d has %s, the table %s", f.Name, line, count(flaw.fields, "value"), count(len(f.head), "column")).In(at)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
