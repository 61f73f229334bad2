package drift

import (
	"cmp"
	"math"
	"slices"
)

// missingCell is what a row holds of a category that is missing; a missing number is NaN.
const missingCell = 0

// A drawing is the rows that were drawn of one side, row-major: bits of a number, or the hash of a category.
type drawing struct {
	cells    []uint64
	clusters []uint64 // hash of each row's cluster, or its day; nil: rows are independent
	rows     int
	seen     int64 // that could have been drawn
}

// bin makes the drawn rows of both sides bins, those of the reference first.
func bin(sides [2]*drawing, category []bool) *binned {
	b := &binned{rows: sides[0].rows + sides[1].rows, columns: len(category), category: category}
	b.bins = make([]uint8, b.rows*b.columns)
	cells := make([]uint64, b.rows)
	for c := range category {
		at := 0
		for _, s := range sides {
			for i := range s.rows {
				cells[at] = s.cells[i*b.columns+c]
				at++
			}
		}
		of := numberBins(cells)
		if category[c] {
			of = categoryBins(cells)
		}
		for i, cell := range cells {
			b.bins[i*b.columns+c] = of(cell)
		}
	}
	return b
}

// numberBins are values where there are few, else quantiles. Infinite values are the ends.
func numberBins(cells []uint64) func(uint64) uint8 {
	values := make([]float64, 0, len(cells))
	for _, cell := range cells {
		if v := math.Float64frombits(cell); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	upper := distinct(values, missingBin)
	if upper == nil {
		for i := range missingBin {
			upper = append(upper, values[(i+1)*len(values)/missingBin-1])
		}
		upper = slices.Compact(upper)
	}
	return func(cell uint64) uint8 {
		v := math.Float64frombits(cell)
		if math.IsNaN(v) {
			return missingBin
		}
		at, _ := slices.BinarySearch(upper, v) // the first bin whose largest value is not below v
		return uint8(at)
	}
}

// distinct are the different values of sorted ones; nil when they are more than most.
func distinct(sorted []float64, most int) []float64 {
	all := []float64{}
	for i, v := range sorted {
		if i > 0 && v == sorted[i-1] {
			continue
		}
		if len(all) == most {
			return nil
		}
		all = append(all, v)
	}
	return all
}

// categoryBins gives the most frequent categories a bin each; the others share one: of a name that stands once nothing can be learnt.
func categoryBins(cells []uint64) func(uint64) uint8 {
	counts := make(map[uint64]int)
	for _, cell := range cells {
		if cell != missingCell {
			counts[cell]++
		}
	}
	names := make([]uint64, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b uint64) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	const others = missingBin - 1
	bins := make(map[uint64]uint8, others)
	for i, name := range names {
		if i == others {
			break
		}
		bins[name] = uint8(i)
	}
	return func(cell uint64) uint8 {
		if cell == missingCell {
			return missingBin
		}
		if b, known := bins[cell]; known {
			return b
		}
		return others
	}
}
