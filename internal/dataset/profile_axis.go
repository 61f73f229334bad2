package dataset

import "math"

// ProfileCell is values of a column that lie together, as Column.Number has them: from Low on, up to but not including High. Of a single
// value High is the next larger number, or Low itself where a number cannot tell the two apart.
type ProfileCell struct {
	Low, High float64
	Count     int64
	One       bool // all of them are Low
}

// Cells are the cells of a column of numbers, in order: as fine as they are known. Counts are exact. None of a private column.
func (v *ProfileColumn) Cells() []ProfileCell {
	if v.numbers == nil {
		return nil
	}
	return v.cellsOf(v.numbers.cells.cells)
}

// CoarseCells are at most about 8,192 cells, which are the same for the same rows however those were cut, merged and kept: no border of
// them lies within a cell of Cells. Columns with no more different values than that have a cell for each.
func (v *ProfileColumn) CoarseCells() []ProfileCell {
	if v.numbers == nil {
		return nil
	}
	return v.cellsOf(v.numbers.cells.coarser())
}

func (v *ProfileColumn) cellsOf(cells []sketchCell) []ProfileCell {
	all := make([]ProfileCell, 0, len(cells))
	for _, c := range cells {
		low, last := c.start(), c.end()
		if !c.single() {
			low, last = max(low, v.numbers.low), min(last, v.numbers.high)
		}
		cell := ProfileCell{Low: v.number(low), Count: c.count(), One: low == last}
		if last == math.MaxUint64 || last == v.numbers.high && profileFloats(v.Field) {
			cell.High = math.Nextafter(v.number(last), math.Inf(1))
		} else {
			cell.High = v.number(last + 1)
		}
		all = append(all, cell)
	}
	return all
}

// Bounds are the smallest and the largest value as Column.Number has them.
func (v *ProfileColumn) Bounds() (low, high float64, ok bool) {
	if v.numbers == nil || v.numbers.count == 0 {
		return math.NaN(), math.NaN(), false
	}
	return v.number(v.numbers.low), v.number(v.numbers.high), true
}
