package column

import (
	"sort"
	"sync/atomic"
	"unsafe"

	"mlx/internal/object"
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

// peek is at without a check: what it returns may be anything.
func peek[T scalar](ix *Index, kind section, i int) (v T) {
	e, size := &ix.entries[ix.fixed[kind]], uint64(unsafe.Sizeof(v))
	if i < 0 || uint64(i) >= e.size/size {
		return v
	}
	from := e.at + uint64(i)*size
	return view[T](ix.data[from : from+size])[0]
}

// sorted is a list of digests in order. guess may be wrong where the file is damaged, sure is not, and costs more.
type sorted struct {
	n           int
	guess, sure func(i int) object.Digest
}

// search returns the first of the digests that is not below lo. Only the place that it finds is checked: if that is between
// what is below and what is not, it is the right one, whatever led there.
func (s sorted) search(lo object.Digest) int {
	i := sort.Search(s.n, func(i int) bool { return s.guess(i).Compare(lo) >= 0 })
	if (i == 0 || s.sure(i-1).Compare(lo) < 0) && (i == s.n || s.sure(i).Compare(lo) >= 0) {
		return i
	}
	return sort.Search(s.n, func(i int) bool { return s.sure(i).Compare(lo) >= 0 })
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
