package column

import (
	"sync/atomic"
	"unsafe"
)

// piecewise are the sections of which a lookup needs a few values: their checksums go by pieces of textBlock bytes, so
// that finding one record among many does not read the whole section.
func piecewise() [7]section {
	return [...]section{secIDs, secByID, secLoc, secLC, secRefIDs, secRefs, secTextEnds}
}

// pieces are the parts of a section that are checked one by one.
type pieces struct {
	first   int // of its checksums in secSums
	checked []atomic.Bool
}

// cut divides the piecewise sections. It reports false when there are not as many checksums as pieces.
func (ix *Index) cut() bool {
	n := 0
	for _, kind := range piecewise() {
		i := ix.fixed[kind]
		if i < 0 {
			return false
		}
		size := int((ix.entries[i].size + textBlock - 1) / textBlock)
		ix.pieces[kind] = pieces{n, make([]atomic.Bool, size)}
		n += size
	}
	i := ix.fixed[secSums]
	return i >= 0 && ix.entries[i].size == uint64(n)*4
}

// count is how many values of a width the section of the given kind has.
func (ix *Index) count(kind section, width int) int {
	return int(ix.entries[ix.fixed[kind]].size) / width
}

// at returns value i of a piecewise section, zero where that is damaged or not there.
func at[T scalar](ix *Index, kind section, i int) (v T) {
	size := int(unsafe.Sizeof(v))
	e := &ix.entries[ix.fixed[kind]]
	if i < 0 || uint64(i+1)*uint64(size) > e.size {
		ix.bad.Store(true)
		return v
	}
	from := i * size
	if !ix.sound(kind, from, from+size) {
		return v
	}
	return view[T](ix.data[e.at+uint64(from) : e.at+uint64(from+size)])[0]
}

// sound checks the pieces of a section that the bytes from from to end are in.
func (ix *Index) sound(kind section, from, end int) bool {
	e, p := &ix.entries[ix.fixed[kind]], &ix.pieces[kind]
	for k := from / textBlock; k*textBlock < end; k++ {
		if p.checked[k].Load() {
			continue
		}
		sums := fixedView[uint32](ix, secSums)
		piece := ix.data[e.at+uint64(k)*textBlock : e.at+min(uint64(k+1)*textBlock, e.size)]
		if len(sums) <= p.first+k || checksum(piece) != sums[p.first+k] {
			ix.bad.Store(true)
			return false
		}
		p.checked[k].Store(true)
	}
	return true
}
