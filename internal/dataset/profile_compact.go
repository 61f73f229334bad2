package dataset

import "slices"

const (
	profileFile  = 1_000_000 // bytes that a kept profile should have at most
	profileLight = 12_500    // a cell that was thinned holds one of so many values at most
	profileNames = 10_000    // as many different values may be categories, which are counted to the last one
)

// Compact returns a profile that is small enough to be kept, about 1 MB: itself if it is. First values that are alone in their cell and
// rare are no longer told from the cell. Then cells within coarse ones are joined while they hold at most 1/12,500 of the values, so that
// no rank is further off than that, and texts of which there are more than 10,000 are no longer counted one by one; then also cells of
// columns with few different floats. What verdicts rest on, coarse cells, stays what it is. Compact profiles still merge, but what was
// joined stays so. One of some shards of a table keeps every cell, so that all of them merge into the very profile of the table.
func (p *Profile) Compact() *Profile {
	if p.shards != nil {
		return p
	}
	small := &Profile{rows: p.rows, limits: p.limits, columns: p.columns}
	for i, step := range []func(*profileColumn){
		(*profileColumn).vague,
		func(c *profileColumn) { c.thin(profileNames) },
		func(c *profileColumn) { c.thin(0) },
	} {
		if small.size() <= profileFile {
			break
		}
		if i == 0 {
			small.columns = copies(p.columns)
		}
		for _, c := range small.columns {
			step(c)
		}
	}
	return small
}

// copies are columns that can be made vague without touching these.
func copies(columns []*profileColumn) []*profileColumn {
	all := make([]*profileColumn, 0, len(columns))
	for _, c := range columns {
		other := *c
		if c.numbers != nil {
			n := *c.numbers
			other.numbers = &n
		}
		if c.texts != nil {
			t := *c.texts
			other.texts = &t
		}
		all = append(all, &other)
	}
	return all
}

// size is about the number of bytes of Encode.
func (p *Profile) size() int {
	size := 0
	for _, c := range p.columns {
		_, coded := c.doc()
		size += len(coded) + 500
	}
	return size
}

// vague forgets which value it is that a cell holds, unless it stands for one in 50,000.
func (c *profileColumn) vague() {
	if c.numbers == nil || c.numbers.cells.shift == 0 {
		return
	}
	cells := &c.numbers.cells
	cells.cells = slices.Clone(cells.cells)
	for i, cell := range cells.cells {
		if cell.single() && cell.n < max(2, c.numbers.count/(4*profileLight)) {
			cells.cells[i] = sketchCellAt(cell.key, cells.shift, cell.n)
		}
	}
}

// thin joins cells where there are more than so many.
func (c *profileColumn) thin(most int) {
	switch {
	case c.texts != nil && c.texts.counted() && len(c.texts.fresh)+len(c.texts.exact) > profileNames:
		c.texts.reduce()
	case c.numbers == nil || len(c.numbers.cells.cells) <= most || c.numbers.cells.coarseShift() == 0:
	case most > 0 || profileFloats(c.field):
		c.numbers.reduce()
		c.numbers.cells.thin(max(c.numbers.count/profileLight, 1))
	}
}
