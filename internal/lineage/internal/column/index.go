package column

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"unsafe"

	"mlx/internal/object"
)

// Index is an opened index. It is safe for several goroutines. A section that turns out to be damaged reads as empty;
// whoever has asked must look at Damaged before believing the answer.
type Index struct {
	Rows    int
	Low     uint64 // least and greatest lc that did not jump within the pack
	High    uint64
	data    []byte
	entries []entry
	paths   []byte
	fixed   [fixedSections]int // entry of each section that is no column, -1 if absent
	blocks  []atomic.Bool      // of the strings: which have been checked
	pieces  [fixedSections]pieces
	bad     atomic.Bool
}

type entry struct {
	kind              section
	pathAt, pathBytes uint32
	crc               uint32
	at, size          uint64
	checked           *atomic.Bool
}

// ErrDamaged is what an index is that must be built again.
var ErrDamaged = errors.New("index is damaged")

// Parse opens the index in data, which must belong to the pack called packID. It looks at the directory only.
func Parse(data []byte, packID object.Digest) (*Index, error) {
	le := binary.LittleEndian
	if len(data) < headerLen || string(data[:8]) != fileMagic || !bytes.Equal(data[8:40], packID[:]) {
		return nil, ErrDamaged
	}
	at, size, sections := le.Uint64(data[48:]), le.Uint64(data[56:]), uint64(le.Uint32(data[88:]))
	n := uint64(len(data))
	if le.Uint64(data[80:]) != n || at > n || size != n-at || sections*entryLen > size {
		return nil, ErrDamaged
	}
	if headerSum(data[:headerLen], data[at:]) != le.Uint32(data[crcAt:]) {
		return nil, ErrDamaged
	}
	ix := &Index{Rows: int(le.Uint32(data[40:])), Low: le.Uint64(data[64:]), High: le.Uint64(data[72:]), data: data}
	ix.entries = make([]entry, sections)
	ix.paths = data[at+sections*entryLen:]
	checked := make([]atomic.Bool, sections)
	for i := range ix.fixed {
		ix.fixed[i] = -1
	}
	for i := range ix.entries {
		b := data[at+uint64(i)*entryLen:]
		e := entry{section(le.Uint32(b)), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint64(b[16:]), le.Uint64(b[24:]), &checked[i]}
		if e.at > at || e.size > at-e.at || e.at%8 != 0 || uint64(e.pathAt)+uint64(e.pathBytes) > uint64(len(ix.paths)) {
			return nil, ErrDamaged
		}
		ix.entries[i] = e
		if e.kind < fixedSections && e.pathBytes == 0 {
			ix.fixed[e.kind] = i
		}
	}
	return ix, ix.shape()
}

// shape checks that sections with a value for every record have that many.
func (ix *Index) shape() error {
	for kind, width := range map[section]int{secIDs: hashLen, secByID: 4, secLoc: 12, secLC: 8, secAt: 8, secKind: 4, secBy: 4} {
		i := ix.fixed[kind]
		if i < 0 || ix.entries[i].size != uint64(width)*uint64(ix.Rows) {
			return ErrDamaged
		}
	}
	text := ix.fixed[secText]
	if text < 0 || ix.fixed[secTextSums] < 0 || ix.fixed[secTextEnds] < 0 {
		return ErrDamaged
	}
	ix.blocks = make([]atomic.Bool, (ix.entries[text].size+textBlock-1)/textBlock)
	if !ix.cut() {
		return ErrDamaged
	}
	if i := ix.fixed[secSuperseded]; i < 0 || ix.entries[i].size != uint64(ix.Rows+63)/64*8 {
		return ErrDamaged
	}
	return nil
}

// Damaged reports whether a section that was needed did not match its checksum.
func (ix *Index) Damaged() bool { return ix.bad.Load() }

// raw returns section i, checking it when it is first used.
func (ix *Index) raw(i int) []byte {
	if i < 0 {
		return nil
	}
	e := &ix.entries[i]
	b := ix.data[e.at : e.at+e.size]
	if !e.checked.Load() {
		if checksum(b) != e.crc {
			ix.bad.Store(true)
			return nil
		}
		e.checked.Store(true)
	}
	return b
}

func view[T scalar](b []byte) []T {
	var zero T
	n := len(b) / int(unsafe.Sizeof(zero))
	if n == 0 {
		return nil
	}
	if littleEndian() && uintptr(unsafe.Pointer(&b[0]))%unsafe.Alignof(zero) == 0 {
		return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n)
	}
	out := make([]T, n)
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		return nil
	}
	return out
}

func fixedView[T scalar](ix *Index, kind section) []T { return view[T](ix.raw(ix.fixed[kind])) }

// IDs returns the ids of all records in log order.
func (ix *Index) IDs() []object.Digest { return fixedView[object.Digest](ix, secIDs) }

// Clock returns the lc of all records, 0 where it jumped.
func (ix *Index) Clock() []uint64 { return fixedView[uint64](ix, secLC) }

// Times returns when each record was made, in microseconds since 1970.
func (ix *Index) Times() []int64 { return fixedView[int64](ix, secAt) }

// Locs returns where each record is in the pack.
func (ix *Index) Locs() []Loc { return fixedView[Loc](ix, secLoc) }

// ID returns the id of the record in a row.
func (ix *Index) ID(row int) object.Digest { return at[object.Digest](ix, secIDs, row) }

// LC returns the clock of the record in a row, 0 where it jumped.
func (ix *Index) LC(row int) uint64 { return at[uint64](ix, secLC, row) }

// Loc returns where the record in a row is in the pack.
func (ix *Index) Loc(row int) Loc { return at[Loc](ix, secLoc, row) }

// Frames returns where the frames of the pack are.
func (ix *Index) Frames() []Frame { return fixedView[Frame](ix, secFrames) }

// Overflow returns the rows that the columns do not hold.
func (ix *Index) Overflow() []uint32 {
	rows := fixedView[uint32](ix, secOverflow)
	return slices.DeleteFunc(slices.Clone(rows), func(r uint32) bool { return int(r) >= ix.Rows })
}

// Gone returns the rows of which only the id is left.
func (ix *Index) Gone() []uint32 {
	rows := fixedView[uint32](ix, secGone)
	return slices.DeleteFunc(slices.Clone(rows), func(r uint32) bool { return int(r) >= ix.Rows })
}

// IsGone reports whether only the id is left of the record in a row.
func (ix *Index) IsGone(row int) bool {
	_, found := slices.BinarySearch(fixedView[uint32](ix, secGone), uint32(row))
	return found
}

// Find returns the row of the record called id.
func (ix *Index) Find(id object.Digest) (int, bool) {
	row, ok := -1, false
	for r := range ix.Within(id, id) {
		row, ok = r, true
		break
	}
	return row, ok
}

// Within yields the rows whose ids are from lo to hi. It looks at the pieces of the index that it needs, no more.
func (ix *Index) Within(lo, hi object.Digest) func(yield func(row int) bool) {
	return func(yield func(int) bool) {
		id := func(i int) (row uint32, id object.Digest) {
			row = at[uint32](ix, secByID, i)
			if int(row) >= ix.Rows {
				ix.bad.Store(true)
				return 0, object.Digest{}
			}
			return row, at[object.Digest](ix, secIDs, int(row))
		}
		first := sorted{
			n:     ix.Rows,
			guess: func(i int) object.Digest { return peek[object.Digest](ix, secIDs, int(peek[uint32](ix, secByID, i))) },
			sure:  func(i int) object.Digest { _, d := id(i); return d },
		}.search(lo)
		for i := first; i < ix.Rows; i++ {
			row, d := id(i)
			if d.Compare(hi) > 0 || ix.Damaged() || !yield(int(row)) {
				return
			}
		}
	}
}

// Ref is a place where a record names a digest.
type Ref struct {
	ID    object.Digest
	Row   int
	Role  Role
	Field string // path in the body, role of an input
}

// Refs yields where records name digests from lo to hi. It looks at the pieces of the index that it needs, no more.
func (ix *Index) Refs(lo, hi object.Digest) func(yield func(Ref) bool) {
	return func(yield func(Ref) bool) {
		n := ix.count(secRefIDs, hashLen)
		if n != ix.count(secRefs, 12) {
			ix.bad.Store(true)
			return
		}
		first := sorted{
			n:     n,
			guess: func(i int) object.Digest { return peek[object.Digest](ix, secRefIDs, i) },
			sure:  func(i int) object.Digest { return at[object.Digest](ix, secRefIDs, i) },
		}.search(lo)
		for i := first; i < n; i++ {
			id, m := at[object.Digest](ix, secRefIDs, i), at[refMeta](ix, secRefs, i)
			if id.Compare(hi) > 0 || ix.Damaged() {
				return
			}
			if int(m.Row) >= ix.Rows {
				ix.bad.Store(true)
				return
			}
			r := Ref{ID: id, Row: int(m.Row), Role: Role(m.Role)}
			if r.Role != InPrev {
				r.Field = strings.ReplaceAll(string(ix.text(m.Field)), string(rune(separator)), ".")
			}
			if !yield(r) {
				return
			}
		}
	}
}

// Kind returns the kind of the record in a row.
func (ix *Index) Kind(row int) string {
	kinds := fixedView[uint32](ix, secKind)
	if row >= len(kinds) {
		return ""
	}
	return string(ix.text(kinds[row]))
}

// By returns the author of the record in a row.
func (ix *Index) By(row int) string {
	authors := fixedView[uint32](ix, secBy)
	if row >= len(authors) {
		return ""
	}
	return string(ix.text(authors[row]))
}

// OfNouns returns the rows whose kind begins with one of the nouns.
func (ix *Index) OfNouns(nouns []string) Bits {
	out := NewBits(ix.Rows)
	var known [64]struct {
		code     uint32
		seen, in bool
	}
	for row, code := range fixedView[uint32](ix, secKind) {
		k := &known[code%uint32(len(known))] // kinds are few, and neighbours mostly have the same ones
		if !k.seen || k.code != code {
			k.code, k.seen, k.in = code, true, slices.Contains(nouns, noun(string(ix.text(code))))
		}
		if k.in {
			out.Set(row)
		}
	}
	return out
}

// text returns the string with the given code, nil if there is none.
func (ix *Index) text(code uint32) []byte {
	if int64(code) >= int64(ix.count(secTextEnds, 4)) {
		return nil
	}
	return ix.textBytes(ix.span(code))
}

// span is where the string with the given code, which there must be, begins and ends.
func (ix *Index) span(code uint32) (from, end uint32) {
	if code > 0 {
		from = at[uint32](ix, secTextEnds, int(code)-1)
	}
	return from, at[uint32](ix, secTextEnds, int(code))
}

// textBytes returns a stretch of the strings, checking the blocks that it touches.
func (ix *Index) textBytes(start, end uint32) []byte {
	e := ix.entries[ix.fixed[secText]]
	if start > end || uint64(end) > e.size {
		ix.bad.Store(true)
		return nil
	}
	all := ix.data[e.at : e.at+e.size]
	for i := int(start / textBlock); i < len(ix.blocks) && i*textBlock < int(end); i++ {
		if ix.blocks[i].Load() {
			continue
		}
		sums := fixedView[uint32](ix, secTextSums)
		if len(sums) != len(ix.blocks) || checksum(all[i*textBlock:min((i+1)*textBlock, len(all))]) != sums[i] {
			ix.bad.Store(true)
			return nil
		}
		ix.blocks[i].Store(true)
	}
	return all[start:end]
}

// column returns the section of the given kind at path.
func (ix *Index) column(path string, kind section) []byte {
	i, found := slices.BinarySearchFunc(ix.entries, path, func(e entry, path string) int {
		return cmp.Or(strings.Compare(string(ix.path(e)), path), cmp.Compare(e.kind, kind))
	})
	if !found {
		return nil
	}
	return ix.raw(i)
}

func (ix *Index) path(e entry) []byte { return ix.paths[e.pathAt : e.pathAt+e.pathBytes] }

// below returns the entries of the columns at path and under it.
func (ix *Index) below(path string) []entry {
	from := sort.Search(len(ix.entries), func(i int) bool { return string(ix.path(ix.entries[i])) >= path })
	var out []entry
	for _, e := range ix.entries[from:] {
		p := string(ix.path(e))
		if !strings.HasPrefix(p, path) {
			break
		}
		if e.kind >= fixedSections && (len(p) == len(path) || p[len(path)] == separator) {
			out = append(out, e)
		}
	}
	return out
}

// Equal reports whether two indexes hold the same, and else where they differ.
func Equal(a, b []byte) error {
	if len(a) != len(b) {
		return fmt.Errorf("index has %d bytes, %d expected", len(a), len(b))
	}
	if !bytes.Equal(a, b) {
		return errors.New("index differs from what its pack says")
	}
	return nil
}

// Locate checks what says where the record in a row is.
func (ix *Index) Locate(row int) {
	ix.Loc(row)
	ix.Frames()
}

// Touch checks the sections that say where records and references are.
func (ix *Index) Touch() {
	ix.check(secIDs, secByID, secLoc, secFrames, secLC, secRefIDs, secRefs, secTextEnds, secGone)
}

func (ix *Index) check(sections ...section) {
	for _, kind := range sections {
		ix.raw(ix.fixed[kind])
	}
}
