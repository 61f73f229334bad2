package dataset

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"mlx/internal/fault"
)

// Profile is what is known of a table after one pass in bounded memory: of each column how much is missing, its range, moments,
// quantiles and most frequent values. Profiles of parts merge into that of the whole.
//
// While a column has few different values each of them is counted, and the profile is the same, byte for byte, however the table was
// cut and in whichever order its parts were merged. Of more values cells are counted, which are the same too, as are counts, ranges,
// moments, the estimate of different values and the examples. Which of many values are said to be the most frequent, and whether they rise,
// depends on the order, within bounds that the profile states; of the shards of a table it becomes that of the table.
type Profile struct {
	rows    int64
	limits  profileLimits
	columns []*profileColumn
	shards  *profileShards // nil: it is of a whole table
}

// profileColumn is what is kept of a column.
type profileColumn struct {
	field    Field
	private  bool // nothing is kept but how much there is, and hashes from which the number of different values is estimated
	missing  int64
	nan      int64
	plusInf  int64
	minusInf int64
	numbers  *profileNumbers // one of the two, by type; neither where all is missing or private
	texts    *profileTexts
	hidden   sketchDistinct
}

// ProfileOptions say what to keep.
type ProfileOptions struct {
	Columns []string            // which; empty: all
	Private []string            // columns of which no value is kept
	Keep    func(b *Batch) Bits // the rows of a batch that count; nil: all. Several goroutines call it; the columns are those asked for
	Skip    int64               // rows at the beginning that do not count, of those that Keep leaves
	Cells   int                 // of a column of numbers, at most; 0: 2^21 over the number of columns, between 2^12 and 2^18
	Limit   int64               // and at most so many after them; 0: all
	Read    func(rows int64)    // told of rows that were read; may be nil
}

// profileLimitsFor bounds memory: a wide table gets less of it for each column.
func profileLimitsFor(columns int) profileLimits {
	columns = max(columns, 1)
	return profileLimits{cells: min(max((2<<20)/columns, 4096), 1<<18), texts: min(max((2<<20)/columns, 1024), 1<<14)}
}

// profiler makes the profile of one table.
type profiler struct {
	limits  profileLimits
	private []string
	rows    profileRows
	reduced []atomic.Bool    // columns whose texts are no longer counted: whoever has a batch of them may say less
	shared  []*profileShared // of columns of numbers
	shards  *profileShards
	stretch profileNumbering

	mu      sync.Mutex
	scratch []*sketchScratch // not in use: as many as parts were made at once. A sync.Pool would lose them with the garbage
}

func (p *profiler) borrow() *sketchScratch {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.scratch)
	if n == 0 {
		return new(sketchScratch)
	}
	s := p.scratch[n-1]
	p.scratch = p.scratch[:n-1]
	return s
}

func (p *profiler) giveBack(s *sketchScratch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scratch = append(p.scratch, s)
}

// ProfileOf reads a table once and describes it.
func ProfileOf(ctx context.Context, t *Table, o ProfileOptions) (*Profile, error) {
	for _, name := range o.Private {
		if t.Schema().Index(name) < 0 {
			return nil, t.NoColumn(name)
		}
	}
	p := &profiler{private: o.Private, shards: t.shards, rows: profileRows{keep: o.Keep, skip: o.Skip, limit: o.Limit}}
	var whole *Profile
	want := Request{Columns: o.Columns}
	f := Folding[*Profile]{
		Start: func() {
			schema := t.Schema().of(o.Columns)
			p.limits = profileLimitsFor(len(schema))
			if o.Cells > 0 {
				p.limits.cells = min(o.Cells, p.limits.cells)
			}
			p.reduced = make([]atomic.Bool, len(schema))
			whole = p.start(schema)
		},
		Part: func(b *Batch) (*Profile, error) { return p.part(p.rows.choose(b)), nil },
		Merge: func(at Span, part *Profile) error {
			p.reach(whole, at.Unit)
			whole.rows += part.rows
			if o.Read != nil {
				o.Read(part.rows)
			}
			for i, c := range whole.columns {
				c.follow(part.columns[i], p.limits)
				if c.texts != nil && !c.texts.counted() {
					p.reduced[i].Store(true)
				}
			}
			return nil
		},
	}
	var err error
	if o.Skip > 0 || o.Limit > 0 {
		err = p.inOrder(ctx, t, want, f)
	} else {
		err = Fold(ctx, t, want, f)
	}
	if err != nil {
		return nil, err
	}
	whole.end(p.stretch.number)
	for i, c := range whole.columns {
		switch {
		case c.numbers != nil:
			p.shared[i].finish(c.numbers)
		case c.texts != nil:
			c.texts.finish()
		}
	}
	return whole, nil
}

// reach is told of the unit that the next batch is of.
func (p *profiler) reach(whole *Profile, unit int) {
	before := p.stretch.number
	if p.stretch.of(unit) != before {
		whole.end(before)
	}
}

// end closes the stretch of that number.
func (p *Profile) end(stretch int) {
	for _, c := range p.columns {
		if c.numbers != nil {
			c.numbers.stretches.end(stretch, p.shards != nil)
		}
		if c.texts != nil {
			c.texts.stretches.end(stretch, p.shards != nil)
		}
	}
}

func (p *profiler) start(schema Schema) *Profile {
	whole := &Profile{limits: p.limits, shards: p.shards}
	p.shared, p.stretch = nil, profileNumbering{}
	for _, f := range schema {
		whole.columns = append(whole.columns, newProfileColumn(f, slices.Contains(p.private, f.Name)))
		p.shared = append(p.shared, &profileShared{cells: sketchCells{most: p.limits.cells}})
	}
	return whole
}

func newProfileColumn(f Field, private bool) *profileColumn {
	f.From, f.Why = "", nil
	c := &profileColumn{field: f, private: private}
	switch {
	case private || f.Type == Null:
	case f.Type.Ordered() || f.Type == Bool:
		c.numbers = &profileNumbers{field: f}
	default:
		c.texts = &profileTexts{field: f, exact: map[string]int64{}}
	}
	return c
}

// part describes a batch.
func (p *profiler) part(b *Batch) *Profile {
	s := p.borrow()
	defer p.giveBack(s)
	part := &Profile{rows: int64(b.Rows), columns: make([]*profileColumn, 0, len(b.Columns))}
	for i := range b.Columns {
		col := &b.Columns[i]
		c := newProfileColumn(col.Field, slices.Contains(p.private, col.Name))
		c.missing = int64(col.Missing.Count())
		switch {
		case col.Type == Null:
			c.missing = int64(b.Rows)
		case c.private:
			c.hide(col, b.Rows, s)
		case c.numbers != nil:
			c.numbers = p.shared[i].part(c.field, s.gather(col, b.Rows, c), s)
		case p.reduced[i].Load():
			c.texts = profileTextsReduced(c.field, s.texts(col, b.Rows))
		default:
			c.texts = profileTextsOf(c.field, s.texts(col, b.Rows))
		}
		part.columns = append(part.columns, c)
	}
	return part
}

// hide counts a private column.
func (c *profileColumn) hide(col *Column, rows int, s *sketchScratch) {
	if col.Type >= Text {
		for _, x := range s.texts(col, rows) {
			c.hidden.add(sketchHashBytes(x.raw))
		}
		return
	}
	for _, key := range s.gather(col, rows, c) {
		c.hidden.add(sketchHash(key))
	}
}

// follow adds a batch, but for the cells of its numbers.
func (c *profileColumn) follow(o *profileColumn, limits profileLimits) {
	c.count(o)
	switch {
	case c.numbers != nil && o.numbers != nil:
		c.numbers.stretches.open.follow(&o.numbers.profileOrder)
		c.numbers.add(o.numbers)
	case c.texts != nil && o.texts != nil:
		c.texts.stretches.open.follow(&o.texts.profileOrder)
		c.texts.add(o.texts, limits)
	}
}

// count adds up what every column has.
func (c *profileColumn) count(o *profileColumn) {
	c.missing += o.missing
	c.nan += o.nan
	c.plusInf += o.plusInf
	c.minusInf += o.minusInf
	c.hidden.merge(o.hidden)
}

// Merge adds a profile of other rows of the same table, which is used up by that. Types that contradict each other are an error;
// names are what the two profiles are called in it.
func (p *Profile) Merge(o *Profile, names [2]string) error {
	if err := p.mergeable(o, names); err != nil {
		return err
	}
	var room sketchRoom
	p.limits.cells = min(p.limits.cells, o.limits.cells)
	merged := make([]*profileColumn, 0, len(p.columns))
	for _, c := range p.columns {
		other := o.columns[o.index(c.field.Name)]
		if c.field.Type == Null && !c.private { // all missing: whatever the other is, this fits
			missing := c.missing
			c = newProfileColumn(other.field, other.private)
			c.missing = missing
			c.hold(p.limits)
		}
		c.merge(other, p.limits, &room)
		merged = append(merged, c)
	}
	p.rows += o.rows
	p.columns = merged
	p.join(o.shards)
	return nil
}

// hold bounds what a column may hold.
func (c *profileColumn) hold(limits profileLimits) {
	if c.numbers != nil {
		c.numbers.cells.most = limits.cells
	}
}

func (c *profileColumn) merge(o *profileColumn, limits profileLimits, room *sketchRoom) {
	c.count(o)
	switch {
	case c.numbers != nil && o.numbers != nil:
		c.numbers.merge(o.numbers, room)
	case c.texts != nil && o.texts != nil:
		c.texts.merge(o.texts, limits)
	}
}

func (p *Profile) index(name string) int {
	return slices.IndexFunc(p.columns, func(c *profileColumn) bool { return c.field.Name == name })
}

func (p *Profile) mergeable(o *Profile, names [2]string) error {
	for _, pair := range [][2]*Profile{{p, o}, {o, p}} {
		for _, c := range pair[0].columns {
			i := pair[1].index(c.field.Name)
			if i < 0 {
				has, lacks := names[0], names[1]
				if pair[0] == o {
					has, lacks = lacks, has
				}
				return fault.New(fault.Usage, "cannot merge %s and %s: only %s has the column %q", names[0], names[1], has, c.field.Name).
					Hint("mlx profile %s   # one at a time", lacks)
			}
		}
	}
	for _, c := range p.columns {
		f := o.columns[o.index(c.field.Name)]
		if c.private != f.private {
			return fault.New(fault.Usage, "cannot merge %s and %s: column %q is private in one of them only", names[0], names[1], c.field.Name)
		}
		a, b := c.field, f.field
		if a.Type == Null || b.Type == Null {
			continue
		}
		if a.Type != b.Type || a.Scale != b.Scale || a.Naive != b.Naive || a.Wide != b.Wide {
			return fault.New(fault.Usage, "cannot merge %s and %s: column %q is %s in one and %s in the other", names[0], names[1], a.Name,
				profileTypeName(a), profileTypeName(b)).Hint("mlx profile --schema FILE …   # fixes the types of columns")
		}
	}
	return nil
}
