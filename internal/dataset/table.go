package dataset

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"sync/atomic"

	"mlx/internal/fault"
)

// Table is an opened table. It can be read several times, and by several goroutines once its types are settled.
type Table struct {
	files   []file
	schema  Schema
	opts    Options
	settled atomic.Bool    // all columns were read to the end without a surprise
	shards  *profileShards // if it is one of several
}

// file is one file of a table, opened.
type file interface {
	// name is how the file is shown.
	name() string
	// schema is what the file holds, partitions among them.
	schema() Schema
	// rows is the number of rows, or -1 when only reading tells.
	rows() int64
	// units yields what can be decoded on its own, in the order of the file. A unit decodes the columns of want, in that order.
	units(ctx context.Context, want Schema) iter.Seq2[unit, error]
}

// unit is a part of a file that one goroutine decodes. It yields one batch or several, each valid until the next.
type unit interface {
	decode(ctx context.Context) iter.Seq2[*Batch, error]
}

// widening says that a value does not fit the type that was inferred for its column, and which type fits all seen so far.
type widening struct {
	column string
	to     Field
	fresh  bool      // the column was not known: a key of JSON that came late
	next   *widening // of another column, seen in the same place
}

func (w *widening) Error() string { return "column " + w.column + " is " + w.to.Type.String() }

// Open opens a table of one file or several, whose columns are united by name. A column that a file lacks is missing there. Types that
// contradict each other are an error that names both files.
func Open(ctx context.Context, files []File, opts Options) (*Table, error) {
	if len(files) == 0 {
		return nil, fault.New(fault.NotFound, "cannot read a table: there is no file")
	}
	if opts.Workers == 0 {
		opts.Workers = min(runtime.GOMAXPROCS(0), 8)
	}
	t := &Table{opts: opts}
	for _, f := range files {
		opened, err := openFile(ctx, f, opts)
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		t.files = append(t.files, opened)
	}
	err := withPartitions(t.files, opts)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	if t.schema, err = unite(t.files, opts); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Close lets go of the files.
func (t *Table) Close() error {
	var all []error
	for _, f := range t.files {
		if c, ok := f.(io.Closer); ok {
			all = append(all, c.Close())
		}
	}
	return errors.Join(all...)
}

// Rest lets go of the memory that is kept for reading the same columns once more, until then.
func (t *Table) Rest() {
	for _, f := range t.files {
		if r, ok := f.(interface{ rest() }); ok {
			r.rest()
		}
	}
}

// Schema is what is known of the columns. Of a text file whose types are inferred, reading may widen a type: Fold begins again then, and
// after it, or after Settle, the schema is final.
func (t *Table) Schema() Schema { return t.schema }

// Rows returns the number of rows when it is known without reading.
func (t *Table) Rows() (int64, bool) {
	var sum int64
	for _, f := range t.files {
		n := f.rows()
		if n < 0 {
			return 0, false
		}
		sum += n
	}
	return sum, true
}

// Files returns how the files are called, in their order.
func (t *Table) Files() []string {
	names := make([]string, len(t.files))
	for i, f := range t.files {
		names[i] = f.name()
	}
	return names
}

// Settle reads the table once if that is what it takes to know the types of all columns.
func (t *Table) Settle(ctx context.Context) error {
	if t.settled.Load() {
		return nil
	}
	settled := true
	for _, f := range t.files {
		s, ok := f.(interface{ settled() bool })
		settled = settled && (!ok || s.settled())
	}
	if settled {
		return nil
	}
	return Fold(ctx, t, Request{}, Folding[struct{}]{Part: func(*Batch) (struct{}, error) { return struct{}{}, nil }})
}

// covered says whether all columns are among those that are wanted.
func (t *Table) covered(want Schema) bool {
	names := make(map[string]bool, len(want))
	for i := range want {
		names[want[i].Name] = true
	}
	return len(names) == len(t.schema)
}

// widen takes wider types into the schema.
func (t *Table) widen(w *widening) error {
	for ; w != nil; w = w.next {
		i := t.schema.Index(w.column)
		if w.fresh {
			t.learn(w.to, i < 0)
			continue
		}
		if i < 0 {
			return fault.New(fault.Internal, "cannot read column %q: it came from nowhere", w.column)
		}
		if sameType(t.schema[i], w.to) {
			return fault.New(fault.Internal, "cannot read column %q: its type does not settle", w.column)
		}
		if err := agree(t.files, w.to); err != nil {
			return err
		}
		t.schema[i] = w.to
	}
	return nil
}

// learn takes in that the records of files may have a column that was not seen before.
func (t *Table) learn(column Field, unknown bool) {
	if unknown {
		t.schema = append(t.schema, column)
	}
	for _, f := range t.files {
		if l, ok := f.(interface{ learn(name string) }); ok {
			l.learn(column.Name)
		}
	}
}

// project returns the fields of the columns asked for, in that order.
func (t *Table) project(req Request) (Schema, error) {
	if req.Columns == nil {
		return t.schema, nil
	}
	want := make(Schema, 0, len(req.Columns))
	for _, name := range req.Columns {
		i := t.schema.Index(name)
		if i < 0 {
			return nil, t.NoColumn(name)
		}
		want = append(want, t.schema[i])
	}
	return want, nil
}

// NoColumn is the error for a column that the table does not have, with the nearest one that it has.
func (t *Table) NoColumn(name string) error {
	err := fault.New(fault.NotFound, "cannot read column %q: %s has no such column", name, t.files[0].name())
	if near := fault.Nearest(name, t.schema.Names()); near != "" {
		return err.Hint("did you mean %q?", near)
	}
	return err.Hint("its columns are %s", t.schema.String())
}
