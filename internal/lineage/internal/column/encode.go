package column

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"unsafe"

	"mlx/internal/object"
)

// The file, little-endian:
//
//	header  = "mlxidx3\n", pack id, records u32, crc32c u32, directory offset u64, directory bytes u64,
//	          least lc u64, greatest lc u64, size of the file u64, sections u32, 0 u32
//	section = values, each section begins at a multiple of 8
//	directory = *(kind u32, path offset u32, path bytes u32, crc32c u32, offset u64, bytes u64), paths
//
// The checksum in the header covers the rest of the header and the directory; each entry's covers its section.
// Entries are sorted by path, then kind. All but the columns have an empty path.
const (
	fileMagic  = "mlxidx3\n"
	headerLen  = 96
	crcAt      = 44
	entryLen   = 32
	hashLen    = len(object.Digest{})
	denseShare = 0.70 // below this a column is stored as pairs of row and value

	missingCode = math.MaxUint32 // in a dense column of codes; in one of numbers it is NaN
)

type section uint32

const (
	secIDs        section = iota + 1
	secByID               // rows in order of their ids
	secLoc                // frame, offset, length
	secLC                 // lc, 0 where it is quarantined
	secAt                 // microseconds since 1970
	secKind               // codes
	secBy                 // codes
	secText               // all strings
	secTextEnds           // where each ends
	secSuperseded         // bits: a record of this pack and the same noun names it in prev
	secForeign            // rows whose prev names records that are not in this pack, a row for each of
	secForeignIDs         // these records
	secRefIDs             // digests that records name, sorted
	secRefs               // row, field, role of each
	secOverflow           // rows that the columns do not hold
	secFrames             // offset u64, stored, raw, first row, rows of each frame
	secTextSums           // crc32c of each textBlock bytes of secText, which few queries need whole
	secGone               // rows of which only the id is left; absent if there are none
	secSums               // crc32c of each textBlock bytes of the sections in piecewise(), one section after another
	fixedSections
)

const (
	secNum     section = iota + 32 // dense
	secNumRows                     // sparse
	secNumVals
	secStr
	secStrRows
	secStrVals
	secFlag
	secFlagRows
	secFlagVals
)

type part struct {
	kind section
	path []byte
	data []byte
}

// littleEndian is true on every system that mlx is built for; on others the index is still right, but slower.
func littleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

type scalar interface {
	~uint32 | ~uint64 | ~int64 | ~float64 | object.Digest | Loc | refMeta | Frame
}

type refMeta struct{ Row, Field, Role uint32 }

func bytesOf[T scalar](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	if !littleEndian() {
		out, _ := binary.Append(nil, binary.LittleEndian, s) // cannot fail: fixed-size values
		return out
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

// Finish returns the index of the pack called packID.
func (b *Builder) Finish(packID object.Digest) []byte {
	byID := b.sortIDs()
	superseded, foreign, foreignIDs := b.links(byID)
	refIDs, refs := b.sortRefs()
	low, high := b.quarantine()
	parts := []part{
		{secIDs, nil, bytesOf(b.ids)}, {secByID, nil, bytesOf(byID)}, {secLoc, nil, bytesOf(b.loc)},
		{secLC, nil, bytesOf(b.lc)}, {secAt, nil, bytesOf(b.at)}, {secKind, nil, bytesOf(b.kind)}, {secBy, nil, bytesOf(b.by)},
		{secText, nil, b.dict.bytes}, {secTextEnds, nil, bytesOf(b.dict.ends)},
		{secSuperseded, nil, bytesOf(superseded)}, {secForeign, nil, bytesOf(foreign)}, {secForeignIDs, nil, bytesOf(foreignIDs)},
		{secRefIDs, nil, bytesOf(refIDs)}, {secRefs, nil, bytesOf(refs)}, {secOverflow, nil, bytesOf(b.overflow)},
		{secFrames, nil, bytesOf(b.frames)}, {secTextSums, nil, bytesOf(textSums(b.dict.bytes))},
	}
	var sums []uint32
	for _, kind := range piecewise() {
		sums = append(sums, textSums(parts[slices.IndexFunc(parts, func(p part) bool { return p.kind == kind })].data)...)
	}
	parts = append(parts, part{secSums, nil, bytesOf(sums)})
	if len(b.gone) > 0 {
		parts = append(parts, part{secGone, nil, bytesOf(b.gone)})
	}
	parts = b.columns(parts, &b.root)
	slices.SortFunc(parts, func(x, y part) int { return cmp.Or(bytes.Compare(x.path, y.path), cmp.Compare(x.kind, y.kind)) })
	return b.assemble(packID, parts, low, high)
}

func (b *Builder) assemble(packID object.Digest, parts []part, low, high uint64) []byte {
	le := binary.LittleEndian
	size := headerLen
	for _, p := range parts {
		size += (len(p.data)+7)/8*8 + entryLen + len(p.path)
	}
	out := make([]byte, headerLen, size)
	var dir, paths []byte
	for _, p := range parts {
		dir = le.AppendUint32(dir, uint32(p.kind))
		dir = le.AppendUint32(dir, uint32(len(paths)))
		dir = le.AppendUint32(dir, uint32(len(p.path)))
		dir = le.AppendUint32(dir, checksum(p.data))
		dir = le.AppendUint64(dir, uint64(len(out)))
		dir = le.AppendUint64(dir, uint64(len(p.data)))
		paths = append(paths, p.path...)
		out = append(out, p.data...)
		out = append(out, make([]byte, -len(out)&7)...)
	}
	at := len(out)
	out = append(append(out, dir...), paths...)
	copy(out, fileMagic)
	copy(out[8:], packID[:])
	le.PutUint32(out[40:], uint32(len(b.ids)))
	le.PutUint64(out[48:], uint64(at))
	le.PutUint64(out[56:], uint64(len(out)-at))
	le.PutUint64(out[64:], low)
	le.PutUint64(out[72:], high)
	le.PutUint64(out[80:], uint64(len(out)))
	le.PutUint32(out[88:], uint32(len(parts)))
	le.PutUint32(out[crcAt:], headerSum(out[:headerLen], out[at:]))
	return out
}

const textBlock = 64 << 10

func textSums(text []byte) []uint32 {
	var out []uint32
	for block := range slices.Chunk(text, textBlock) {
		out = append(out, checksum(block))
	}
	return out
}

func headerSum(header, dir []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, header[:crcAt])
	return crc32.Update(crc32.Update(sum, table, header[crcAt+4:]), table, dir)
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func (b *Builder) columns(parts []part, n *node) []part {
	path := []byte(nil)
	if n != &b.root {
		path = b.dict.text(n.path)
	}
	parts = appendColumn(parts, path, secNum, &n.num, len(b.ids), math.NaN())
	parts = appendColumn(parts, path, secStr, &n.str, len(b.ids), missingCode)
	parts = appendColumn(parts, path, secFlag, &n.flag, len(b.ids), missingCode)
	for _, c := range n.children {
		parts = b.columns(parts, c)
	}
	return parts
}

func appendColumn[T scalar](parts []part, path []byte, dense section, s *series[T], rows int, missing T) []part {
	n := len(s.vals)
	switch {
	case n == 0:
		return parts
	case s.multi || float64(n) < denseShare*float64(rows):
		return append(parts, part{dense + 1, path, bytesOf(s.all())}, part{dense + 2, path, bytesOf(s.vals)})
	case n == rows:
		return append(parts, part{dense, path, bytesOf(s.vals)})
	}
	all := make([]T, rows)
	for i := range all {
		all[i] = missing
	}
	for i, row := range s.all() {
		all[row] = s.vals[i]
	}
	return append(parts, part{dense, path, bytesOf(all)})
}

// spread returns the positions of n digests in order of their bytes: by buckets of the first two bytes, then within each.
func spread(n int, id func(i uint32) *object.Digest, less func(a, b uint32) int) []uint32 {
	if n < 1<<12 {
		out := make([]uint32, n)
		for i := range out {
			out[i] = uint32(i)
		}
		slices.SortFunc(out, less)
		return out
	}
	var starts [1<<16 + 1]uint32
	bucket := func(i uint32) int { d := id(i); return int(d[0])<<8 | int(d[1]) }
	for i := range n {
		starts[bucket(uint32(i))+1]++
	}
	for i := range 1 << 16 {
		starts[i+1] += starts[i]
	}
	out, at := make([]uint32, n), starts
	for i := range n {
		k := bucket(uint32(i))
		out[at[k]] = uint32(i)
		at[k]++
	}
	for i := range 1 << 16 {
		if b := out[starts[i]:starts[i+1]]; len(b) > 1 {
			slices.SortFunc(b, less)
		}
	}
	return out
}

func (b *Builder) sortIDs() []uint32 {
	return spread(len(b.ids), func(i uint32) *object.Digest { return &b.ids[i] }, func(x, y uint32) int {
		return cmp.Or(b.ids[x].Compare(b.ids[y]), cmp.Compare(x, y))
	})
}

func (b *Builder) sortRefs() ([]object.Digest, []refMeta) {
	order := spread(len(b.refs), func(i uint32) *object.Digest { return &b.refs[i].id }, func(x, y uint32) int {
		p, q := &b.refs[x], &b.refs[y]
		return cmp.Or(p.id.Compare(q.id), cmp.Compare(p.row, q.row), cmp.Compare(x, y))
	})
	ids, meta := make([]object.Digest, len(order)), make([]refMeta, len(order))
	for i, k := range order {
		r := &b.refs[k]
		ids[i], meta[i] = r.id, refMeta{r.row, r.field, uint32(r.role)}
	}
	return ids, meta
}

// links finds which records a later one of the same noun names in prev, and which records name others that are not here.
func (b *Builder) links(byID []uint32) (superseded []uint64, foreign []uint32, foreignIDs []object.Digest) {
	superseded = make([]uint64, (len(b.ids)+63)/64)
	for i := range b.refs {
		r := &b.refs[i]
		if r.role != InPrev {
			continue
		}
		at, found := slices.BinarySearchFunc(byID, r.id, func(row uint32, id object.Digest) int { return b.ids[row].Compare(id) })
		if !found {
			foreign, foreignIDs = append(foreign, r.row), append(foreignIDs, r.id)
			continue
		}
		for ; at < len(byID) && b.ids[byID[at]] == r.id; at++ {
			if row := byID[at]; Supersedes(string(b.dict.text(b.kind[r.row])), string(b.dict.text(b.kind[row]))) {
				superseded[row/64] |= 1 << (row % 64)
			}
		}
	}
	return superseded, foreign, foreignIDs
}

// Redaction is the kind of record that says that the bytes of another are gone for ever.
const Redaction = "record.redacted/v1"

// Supersedes reports whether a record of one kind that names one of another kind in prev supersedes it: those of the same noun do. A
// redaction does so for the record that it has removed, whatever that was, else what that one had superseded would count again.
func Supersedes(kind, other string) bool {
	return kind == Redaction || noun(kind) == noun(other)
}

func noun(kind string) string {
	n, _, _ := strings.Cut(kind, ".")
	return n
}

// quarantine sets clocks that jumped to 0 and returns the least and the greatest of the others. Neither may be trusted
// before it was compared with other packs.
func (b *Builder) quarantine() (low, high uint64) {
	if len(b.lc) == 0 {
		return 0, 0
	}
	order := make([]uint64, 0, len(b.lc))
	order = append(order, b.lc...)
	slices.Sort(order)
	low, high = order[0], order[0]
	for _, lc := range order {
		if lc-high > MaxJump {
			break
		}
		high = lc
	}
	for i, lc := range b.lc {
		if lc > high {
			b.lc[i] = 0
		}
	}
	return low, high
}
