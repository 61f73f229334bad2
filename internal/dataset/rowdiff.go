package dataset

import (
	"context"
	"errors"

	"mlx/internal/fault"
)

// RowOptions say how the rows of two tables are compared.
type RowOptions struct {
	Key       []string                                // columns that name a row; none: whole rows are compared, each as often as it stands there
	Tolerance func(column string) RowLimit            // how far floats may be apart; nil: not at all
	Private   func(column string) bool                // columns whose values nobody is shown; nil: none
	Sample    int                                     // differences of each kind that the answer shows
	Each      func(context.Context, *RowChange) error // gets every difference, in order; valid until it returns. May be nil
	Temp      string                                  // folder for what does not fit into memory
	Memory    int                                     // bytes of it before the disk is used, about; 0: 32 MiB
	Workers   int                                     // that join at once; 0: those of the first table
}

// RowLimit is a largest difference: of the values, or as a share of the first. The larger of the two holds.
type RowLimit struct{ Absolute, Share float64 }

// RowMasked stands for a value of a private column.
const RowMasked = "(private)"

// What happened to a row.
const (
	RowAdded   = "added"
	RowRemoved = "removed"
	RowChanged = "changed"
)

// RowDiff is how two tables differ. Rows count from 1.
type RowDiff struct {
	Rows                    [2]int64
	Added, Removed, Changed int64
	Schema                  []RowSchema
	Columns                 []RowColumn // those with changed cells, in the order of the first table
	Sample                  []RowChange // removed and changed rows in the order of the first table, then added ones in that of the second
	Compared                []string    // columns whose cells were compared
	Sorted                  bool        // both tables are sorted by the key, and were merged
	Spilled                 int64       // bytes that went to disk
}

// Equal says that the tables hold the same rows under the same schema.
func (d *RowDiff) Equal() bool { return d.Added+d.Removed+d.Changed == 0 && len(d.Schema) == 0 }

// RowSchema is a column that only one table has, or whose type differs. A type is empty where the column is not.
type RowSchema struct {
	Column, A, B string
	Compared     bool // its cells were compared all the same
}

// RowColumn says how often and how far the cells of a column differ.
type RowColumn struct {
	Column  string
	Changed int64
	Largest *RowLargest // of numbers
}

// RowLargest is the pair of finite numbers that are farthest apart, the first of them.
type RowLargest struct {
	Difference float64
	Row        int64 // of the first table
	Key        []RowValue
	A, B       RowValue
}

// RowChange is one difference.
type RowChange struct {
	Change string
	A, B   int64 // number of the row in either table; 0: it is not there
	Key    []RowValue
	Cells  []RowCell // of a changed row those that differ; of another all that are compared
}

// RowCell is a cell that differs. Of an added row A is missing, of a removed one B.
type RowCell struct {
	Column string
	A, B   RowValue
}

// RowValue is a value as text.
type RowValue struct {
	Text    string
	Missing bool
}

// rowMemory is the default of RowOptions.Memory.
const rowMemory = 32 << 20

// rowDiffing is a comparison on its way.
type rowDiffing struct {
	opts   RowOptions
	tables [2]*Table
	plan   *rowPlan
	places [2]rowPlaces
	lists  *rowLists
	out    RowDiff
}

// DiffRows compares the rows of two tables in bounded memory. What is kept of a row until its counterpart is found are hashes, so
// that rows which are the same are never made; those that differ are read once more.
//
// A key is hashed to 128 bits, the rest of a row to 64, both with functions drawn at random for each comparison: two keys are taken
// for one with a probability below 2^-100 even among a billion rows, and a change goes unseen with one below 2^-57 for each row.
func DiffRows(ctx context.Context, a, b *Table, o RowOptions) (*RowDiff, error) {
	if o.Memory == 0 {
		o.Memory = rowMemory
	}
	if o.Workers == 0 {
		o.Workers = a.opts.Workers
	}
	for _, t := range []*Table{a, b} {
		if err := t.Settle(ctx); err != nil {
			return nil, err
		}
	}
	d := &rowDiffing{opts: o, tables: [2]*Table{a, b}}
	var err error
	if d.plan, err = planRows(a, b, o.Key); err != nil {
		return nil, err
	}
	d.out.Schema = d.plan.schema
	for i := range d.plan.rest {
		d.out.Compared = append(d.out.Compared, d.plan.rest[i].name)
	}
	d.lists = newRowLists(o.Temp, o.Memory/8)
	defer func() { d.lists.close() }()
	if err := d.find(ctx); err != nil {
		return nil, err
	}
	if err := d.cells(ctx); err != nil {
		return nil, err
	}
	d.out.Spilled += d.lists.first.end + d.lists.added.end
	return &d.out, nil
}

// find fills the lists of the rows that differ.
func (d *rowDiffing) find(ctx context.Context) error {
	if d.plan.ordered() {
		err := d.merge(ctx)
		if !errors.Is(err, errRowOrder) {
			d.out.Sorted = err == nil
			return err
		}
		d.lists.close()
		d.lists = newRowLists(d.opts.Temp, d.opts.Memory/8)
		d.places, d.out.Rows = [2]rowPlaces{}, [2]int64{}
	}
	return d.join(ctx)
}

// rowPlaces tells in which file a row stands.
type rowPlaces []rowFile

type rowFile struct {
	first int64 // number of its first row in the table, from 0
	name  string
}

func (p *rowPlaces) add(s Span) {
	if n := len(*p); n == 0 || (*p)[n-1].name != s.File || s.Row == 1 {
		*p = append(*p, rowFile{s.Seen - s.Row + 1, s.File})
	}
}

// of returns the file of a row and its number there, from 1.
func (p rowPlaces) of(row int64) (string, int64) {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i].first <= row {
			return p[i].name, row - p[i].first + 1
		}
	}
	return "", row + 1
}

// noKey is the error for a key that is missing in a row.
func (d *rowDiffing) noKey(s Span, p *rowPart) error {
	return fault.New(fault.Usage, "cannot compare rows by %q: it is missing in row %d of %s", d.plan.key[p.missingIn].name, s.Row+int64(p.missing), s.File).
		Hint("mlx diff A B --rows   # without --key whole rows are compared")
}
