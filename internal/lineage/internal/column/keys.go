package column

import (
	"slices"
	"unsafe"

	"mlx/internal/lineage/internal/where"
)

// Key is what a row is sorted by. Greater classes come later in both directions.
type Key struct {
	Class uint8 // 0 number, 1 string, 2 truth, 3 missing
	Num   float64
	Str   string
}

// Keys returns a function that gives the sort key of a row: the first value at path. What extra says of a row stands in
// place of what its record says.
func (ix *Index) Keys(path where.Path, extra Extra) func(row int) Key {
	variants := ix.variants(path)
	if len(path) == 1 && isSpecial(variants[0]) {
		return ix.specialKeys(variants[0])
	}
	own := ix.keysOf(variants[0])
	for _, path := range variants[1:] {
		first, second := own, ix.keysOf(path)
		own = func(row int) Key {
			if k := first(row); k.Class != missing {
				return k
			}
			return second(row)
		}
	}
	return extra.keys(path, own)
}

// missing is the class of a row without a value.
const missing = 3

func (ix *Index) keysOf(path string) func(row int) Key {
	num, str, flag := ix.numbers(path).reader(), ix.texts(path).reader(), ix.flags(path).reader()
	return func(row int) Key {
		if v, ok := num(row); ok && v == v {
			return Key{Num: v}
		}
		if code, ok := str(row); ok && code != missingCode {
			return Key{Class: 1, Str: ix.word(code)}
		}
		if v, ok := flag(row); ok && v != missingCode {
			return Key{Class: 2, Num: float64(v)}
		}
		return Key{Class: missing}
	}
}

// word is a string of the index without a copy: it lasts as long as the index is open.
func (ix *Index) word(code uint32) string {
	b := ix.text(code)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// reader returns a function that gives the first value of a row. Whoever asks for one row after the other finds the next beside the
// last; one goroutine may ask.
func (p pairs[T]) reader() func(row int) (v T, ok bool) {
	last := 0
	return func(row int) (v T, ok bool) {
		if row < len(p.dense) {
			return p.dense[row], true
		}
		if last+1 < len(p.rows) && int(p.rows[last]) < row && int(p.rows[last+1]) == row {
			last++
			return p.vals[last], true
		}
		i, found := slices.BinarySearch(p.rows, uint32(row))
		if !found {
			return v, false
		}
		last = i
		return p.vals[i], true
	}
}

func (ix *Index) specialKeys(path string) func(row int) Key {
	switch path {
	case "kind", "by":
		codes := ix.codes(path)
		return func(row int) Key { return Key{Class: 1, Str: string(ix.text(codes[row]))} }
	case "id":
		ids := ix.IDs()
		return func(row int) Key { return Key{Class: 1, Str: string(ids[row][:])} }
	}
	col := ix.order(path)
	return func(row int) Key { return Key{Num: col.dense[row]} }
}
