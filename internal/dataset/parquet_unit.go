package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"mlx/internal/fault"
)

const (
	batchRows  = 1 << 16
	batchBytes = 16 << 20 // of the strings of a column that a batch should have at most
)

// parquetUnit is some rows of a row group.
type parquetUnit struct {
	p     *parquetFile
	group int
	first int64 // row of the group, from 0
	rows  int64
	want  Schema
}

// parts is how many batches there will be, so that a worker need not wait for those before it.
func (u *parquetUnit) parts() int { return int(min((u.rows+batchRows-1)/batchRows, 1<<10)) }

// parquetRows decodes the columns of a unit. Its memory is kept for other units.
type parquetRows struct {
	want    Schema
	scratch pageScratch
	columns []parquetColumn
	batch   Batch
}

// parquetColumn is a column of the table on its way out of the file.
type parquetColumn struct {
	node   *parquetNode // nil: the file has no such column
	native Field
	leaf   *leafReader // of a column that is no list, map or record
	build  *assembler  // of one that is
	parts  []*nestedLeaf
	made   columnMaker
	cast   *textColumn // nil: the type is the stored one
	words  []word
	text   []byte
	each   int64 // bytes that a string is expected to have
}

func (u *parquetUnit) decode(ctx context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		in, err := u.p.acquire(ctx)
		if err != nil {
			yield(nil, u.p.failed(err))
			return
		}
		defer u.p.release()
		r := u.p.take(u.want)
		defer u.p.give(r)
		group := &u.p.meta.groups[u.group]
		for i := range r.columns {
			if err := r.columns[i].open(ctx, in, u, group); err != nil {
				yield(nil, u.failed(u.want[i].Name, err))
				return
			}
		}
		for left := u.rows; left > 0; {
			n := int(min(left, r.rows()))
			for i := range r.columns {
				if err := r.columns[i].read(ctx, u, u.want[i], n, &r.batch.Columns[i]); err != nil {
					yield(nil, u.failed(u.want[i].Name, err))
					return
				}
			}
			r.batch.Rows = n
			if !yield(&r.batch, nil) {
				return
			}
			left -= int64(n)
		}
	}
}

// failed names the place of an error.
func (u *parquetUnit) failed(column string, err error) error {
	var wider *widening
	if errors.As(err, &wider) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the file ends before its pages do")
	}
	kind := fault.KindOf(err)
	if kind == fault.Internal {
		kind = fault.Integrity
	}
	return fault.New(kind, "cannot read %s: row group %d, column %q: %w", u.p.file.Name, u.group+1, column, err)
}

// rows is how many rows the next batch should have: fewer where strings are long.
func (r *parquetRows) rows() int64 {
	n := int64(batchRows)
	for i := range r.columns {
		if e := r.columns[i].each; e > 0 {
			n = min(n, max(batchBytes/e, 1))
		}
	}
	return n
}

// take returns a decoder of some columns, with the memory of an earlier one if there is one.
func (p *parquetFile) take(want Schema) *parquetRows {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range p.readers {
		if sameColumns(r.want, want) {
			p.readers = append(p.readers[:i], p.readers[i+1:]...)
			return r
		}
	}
	r := &parquetRows{want: slices.Clone(want), columns: make([]parquetColumn, len(want)), batch: Batch{Columns: make([]Column, len(want))}}
	leaves := 0
	for i := range r.columns {
		c := &r.columns[i]
		at := p.native.Index(want[i].Name)
		if at < 0 {
			continue
		}
		c.node, c.native = p.root.nodes[at], p.native[at]
		leaves += c.prepare(p, &r.scratch)
		if !sameType(c.native, want[i]) {
			c.cast = &textColumn{loose: true}
		}
	}
	r.scratch.ahead = max(min(pageAhead, allAhead/max(leaves, 1)), headWindow)
	return r
}

// keptReaders is how many decoders keep their memory: more run at once only for a moment.
const keptReaders = 8

func (p *parquetFile) give(r *parquetRows) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.readers) == keptReaders {
		p.readers = p.readers[1:]
	}
	p.readers = append(p.readers, r)
}

func (p *parquetFile) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers = nil
}

func sameColumns(a, b Schema) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !sameType(a[i], b[i]) {
			return false
		}
	}
	return true
}

// prepare makes the readers of the leaves and returns how many there are.
func (c *parquetColumn) prepare(p *parquetFile, scratch *pageScratch) int {
	if c.native.Type != Nested {
		c.leaf = &leafReader{node: c.node}
		c.leaf.pages.shared = scratch
		return 1
	}
	c.build = &assembler{leaves: make([]*nestedLeaf, len(p.leaves))}
	c.node.eachLeaf(func(n *parquetNode) {
		l := &nestedLeaf{leafReader: leafReader{node: n}}
		l.pages.shared = scratch
		c.build.leaves[n.leaf] = l
		c.parts = append(c.parts, l)
	})
	return len(c.parts)
}

func (n *parquetNode) eachLeaf(use func(*parquetNode)) {
	if n.leaf >= 0 {
		use(n)
		return
	}
	for _, c := range n.nodes {
		c.eachLeaf(use)
	}
}

// open goes to the first row of a unit.
func (c *parquetColumn) open(ctx context.Context, in io.ReaderAt, u *parquetUnit, group *parquetGroup) error {
	c.each = 0
	for _, l := range c.parts {
		chunk := &group.chunks[l.node.leaf]
		l.ahead, l.aheadDef = nil, nil
		if err := l.open(in, u.p.size, chunk); err != nil {
			return err
		}
		c.expect(chunk, group.rows)
	}
	if c.leaf != nil {
		chunk := &group.chunks[c.leaf.node.leaf]
		if err := c.leaf.open(in, u.p.size, chunk); err != nil {
			return err
		}
		if c.made.Texts != nil {
			c.leaf.forget(&c.made)
		}
		if c.native.Type >= Text || c.native.Wide {
			c.expect(chunk, group.rows)
		}
		return c.leaf.skip(ctx, u.first)
	}
	return c.skipRows(ctx, u.first)
}

// expect estimates how long the strings of a chunk are. A dictionary makes them shorter than they are.
func (c *parquetColumn) expect(chunk *parquetChunk, rows int64) {
	if rows > 0 && chunk.raw > 0 {
		c.each += chunk.raw / rows
	}
}

func (c *parquetColumn) skipRows(ctx context.Context, n int64) error {
	for n > 0 {
		k := int(min(n, levelBlock))
		for _, l := range c.parts {
			if err := l.take(ctx, k); err != nil {
				return err
			}
		}
		n -= int64(k)
	}
	return nil
}

// read makes the next n rows of the column.
func (c *parquetColumn) read(ctx context.Context, u *parquetUnit, want Field, n int, out *Column) error {
	if c.node == nil {
		c.made.allMissing(want, n)
		*out = c.made.Column
		return nil
	}
	if err := c.stored(ctx, n); err != nil {
		return err
	}
	if bytes := int64(len(c.made.Texts.Bytes)); c.made.Codes == nil && bytes > 0 {
		c.each = max(c.each/2, bytes/int64(n))
	}
	if c.cast != nil {
		return c.convert(u, want, n, out)
	}
	if c.native.Type == Int && c.node.conv.unsigned {
		if err := c.large(want, n); err != nil {
			return err
		}
	}
	*out = c.made.Column
	out.Field = want
	return nil
}

// stored makes the next n rows with the type that they have in the file.
func (c *parquetColumn) stored(ctx context.Context, n int) error {
	c.made.begin(c.native, n)
	if c.leaf != nil {
		if err := c.leaf.read(ctx, &c.made, 0, n); err != nil {
			return err
		}
		c.leaf.forget(&c.made)
		c.made.end(n)
		return nil
	}
	for _, l := range c.parts {
		if err := l.take(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", l.node.name, err)
		}
	}
	c.build.err = nil
	for i := range n {
		if !c.build.row(c.node) {
			c.made.Missing.Set(i)
			c.build.text = c.build.text[:0]
		}
		if err := addText(c.made.Texts, c.build.text); err != nil {
			return err
		}
		if c.build.err == nil && !c.build.done(c.node) {
			c.build.err = errDisagree
		}
		if c.build.err != nil {
			return c.build.err
		}
	}
	c.made.end(n)
	return nil
}

// large looks for unsigned numbers that do not fit an int64: then the column is of another type, and is read anew.
func (c *parquetColumn) large(want Field, n int) error {
	for i, v := range c.made.Ints[:n] {
		if v < 0 && !c.made.Missing.Has(i) {
			want.Type = Uint
			return &widening{column: want.Name, to: want}
		}
	}
	return nil
}
