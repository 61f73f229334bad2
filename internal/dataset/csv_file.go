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
	opts  Options
	rules *textRules
	head  Schema // of the first chunk
	d     dialect
	size  int  // of a chunk
	skip  int  // bytes before the first record
	whole bool // the first chunk is all there is
	pool  sync.Pool
	read  atomic.Bool // all columns were read to the end without a surprise
}

func (f *textFile) name() string   { return f.Name }
func (f *textFile) schema() Schema { return f.head }
func (f *textFile) rows() int64    { return -1 }

// settled says whether reading can change no type any more.
func (f *textFile) settled() bool { return f.whole || f.read.Load() }

// widens says whether the file can read a column as another type than its schema says: words can be read as anything that holds them.
func (f *textFile) widens(have, _ Field) bool {
	return !f.fixed(have.Name) || have.Type == Decimal || have.Type == Time
}

// fixed returns the type that the user gave to a column.
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
		pass := &textPass{file: f, whole: len(want) >= len(f.head)}
		for {
			c, err := s.next()
			if errors.Is(err, io.EOF) {
				pass.end()
				return
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			pass.begin()
			if !yield(&textUnit{file: f, pass: pass, want: want, chunk: c}, nil) {
				return
			}
		}
	}
}

func (f *textFile) splitter(in *textStream) *textSplitter {
	s := newTextSplitter(in, f.d, f.size)
	s.skip = f.skip
	s.take = func(n int) []byte {
		if d, ok := f.pool.Get().(*textDecoder); ok {
			if cap(d.buf) >= n && cap(d.buf) <= 4*n {
				return d.buf[:0]
			}
		}
		return make([]byte, 0, n)
	}
	return s
}

// textPass is one reading of a file: when each chunk of it was decoded, the types of its columns are settled.
type textPass struct {
	file  *textFile
	whole bool
	open  atomic.Int64 // chunks that are not decoded yet
	ended atomic.Bool
}

func (p *textPass) begin() { p.open.Add(1) }

func (p *textPass) done() {
	if p.open.Add(-1) == 0 && p.ended.Load() && p.whole {
		p.file.read.Store(true)
	}
}

func (p *textPass) end() {
	p.begin()
	p.ended.Store(true)
	p.done()
}

// textUnit is a chunk on its way to a worker.
type textUnit struct {
	file  *textFile
	pass  *textPass
	want  Schema
	chunk textChunk
}

// textDecoder is the memory that decodes one chunk at a time.
type textDecoder struct {
	buf     []byte
	grid    csvGrid
	words   []word
	columns []textColumn
	batch   Batch
}

// textGrid is a chunk in which the words of each column can be found.
type textGrid interface {
	rows() int
	// position is the byte of the chunk at which the value of a row stands, for messages.
	position(row, column int) int
}

// decode yields the one batch of the chunk.
func (u *textUnit) decode(context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		d, ok := u.file.pool.Get().(*textDecoder)
		if !ok {
			d = &textDecoder{}
		}
		b, err := u.batch(d)
		if err == nil && b.Rows == 0 {
			u.pass.done()
		} else if yield(b, err); err == nil {
			u.pass.done()
		}
		d.buf = u.chunk.buf[:0]
		u.file.pool.Put(d)
	}
}

func (u *textUnit) batch(d *textDecoder) (*Batch, error) {
	f := u.file
	if err := checkText(f.Name, u.chunk.buf, u.chunk.line, f.d.eol); err != nil {
		return nil, err
	}
	if flaw := d.grid.scan(u.chunk, f.d, len(f.head)); flaw != nil {
		return nil, f.flaw(u.chunk, flaw)
	}
	d.batch.Rows = d.grid.rows()
	return d.fill(u, &d.grid, func(words []word, column int) ([]word, []byte) {
		words = d.grid.words(words, column, u.chunk, f.d)
		return words, d.grid.arena
	})
}

// fill converts the columns that are wanted.
func (d *textDecoder) fill(u *textUnit, g textGrid, words func([]word, int) ([]word, []byte)) (*Batch, error) {
	if cap(d.columns) < len(u.want) {
		d.columns = make([]textColumn, len(u.want))
		d.batch.Columns = make([]Column, len(u.want))
	}
	d.columns, d.batch.Columns = d.columns[:len(u.want)], d.batch.Columns[:len(u.want)]
	var wider *widening
	for i, want := range u.want {
		c := &d.columns[i]
		at := u.file.head.Index(want.Name)
		c.loose = u.file.fixed(want.Name)
		if at < 0 {
			d.words = missingWords(d.words, g.rows())
			c.fill(u.file.rules, want, d.words, nil)
			d.batch.Columns[i] = c.Column
			continue
		}
		var buf []byte
		d.words, buf = words(d.words, at)
		to, err := u.file.settle(c, want, d.words, buf, func(row int) int64 { return u.lineOf(g.position(row, at)) })
		if err != nil {
			return nil, err
		}
		if to != want {
			wider = &widening{column: want.Name, to: to, next: wider}
		}
		d.batch.Columns[i] = c.Column
	}
	if wider != nil {
		return nil, wider
	}
	return &d.batch, nil
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
