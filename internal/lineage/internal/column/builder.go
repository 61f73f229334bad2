// Package column hides how records are made searchable: one immutable file per pack that holds every scalar of every body by
// path, as a dense column or as sparse pairs, and the ids, references and order of the records. It is derived from the
// pack and can be deleted at any time; the same pack always gives the same bytes.
package column

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math"
	"strconv"

	"mlx/internal/lineage/internal/line"
	"mlx/internal/object"
)

// Limits of an index. Records beyond them are listed as overflow, and must be looked at one by one.
const (
	maxLeaves = 4096      // scalars of one record
	maxTotal  = 32 << 20  // scalars of all records
	maxPaths  = 1 << 16   // distinct paths
	maxText   = 128 << 20 // bytes of distinct strings

	// MaxJump is how far the Lamport clock may run ahead of all others before it is taken for a mistake.
	MaxJump = 1 << 32
)

// Role says where a record names a digest.
type Role uint32

// The roles, the strongest first.
const (
	InBody Role = iota
	InInput
	InPrev
)

// Loc is where a record's line begins and how long it is: in a frame of a pack.
type Loc struct{ Frame, Offset, Length uint32 }

// End is where the record ends in its frame.
func (l Loc) End() uint64 { return uint64(l.Offset) + uint64(l.Length) }

// series is a column being built. As long as every row from 0 on has exactly one value, rows is left out.
type series[T any] struct {
	rows  []uint32
	vals  []T
	multi bool // a row has several values
	hint  int  // room to make at once
}

func (s *series[T]) add(row uint32, v T) {
	n := len(s.vals)
	if n == 0 && s.hint > 0 {
		s.vals = make([]T, 0, s.hint)
	}
	if s.rows == nil && int(row) != n {
		s.rows = make([]uint32, n, n+16)
		for i := range s.rows {
			s.rows[i] = uint32(i)
		}
	}
	if s.rows != nil {
		s.multi = s.multi || n > 0 && s.rows[n-1] == row
		s.rows = append(s.rows, row)
	}
	s.vals = append(s.vals, v)
}

// all returns the row of each value.
func (s *series[T]) all() []uint32 {
	if s.rows != nil || len(s.vals) == 0 {
		return s.rows
	}
	rows := make([]uint32, len(s.vals))
	for i := range rows {
		rows[i] = uint32(i)
	}
	return rows
}

// node is a place in a body. Neighbouring records have the same keys in the same order, so the child that
// followed last time is tried first.
type node struct {
	name     string
	quoted   []byte // the key as it usually stands in a line, with its colon
	path     uint32 // code of its full path
	children []*node
	next     int
	byName   map[string]*node // once there are many
	num      series[float64]
	last     uint32 // code of the last string
	str      series[uint32]
	flag     series[uint32]
}

type ref struct {
	id    object.Digest
	row   uint32
	field uint32
	role  Role
}

// Builder makes an index. Limitless lifts the limits: for looking at a single record.
type Builder struct {
	Limitless bool

	parser   line.Parser
	hint     int
	dict     dict
	root     node
	paths    int
	row      uint32
	leaves   int
	total    int
	over     bool
	ids      []object.Digest
	lc       []uint64
	at       []int64
	kind, by []uint32
	loc      []Loc
	refs     []ref
	overflow []uint32
	gone     []uint32
	frames   []Frame
}

// Frame is where a frame of the pack is, so that records can be read without opening the pack's own index.
type Frame struct {
	Offset                      uint64
	Stored, Raw, First, Records uint32
}

// SetFrames tells the frames of the pack.
func (b *Builder) SetFrames(frames []Frame) { b.frames = frames }

// NewBuilder makes a Builder for about that many rows; 0 if nobody knows.
func NewBuilder(rows int) *Builder {
	return &Builder{dict: dict{seed: maphash.MakeSeed()}, hint: min(rows, maxHint)}
}

const (
	earlyRows = 8   // a path in one of the first rows is probably in most
	fewPaths  = 256 // unless there are very many
	maxHint   = 1 << 16
)

// Len is the number of records added.
func (b *Builder) Len() int { return len(b.ids) }

// Add reads the record rec strictly and adds it. After an error the builder is useless.
func (b *Builder) Add(id object.Digest, rec []byte, loc Loc) error {
	b.row, b.leaves, b.over = uint32(len(b.ids)), 0, false
	h, err := b.parser.ParseWith(rec, func(s *line.Scanner) { b.walk(s, &b.root) })
	if err != nil {
		return fmt.Errorf("record %s: %w", id.Short(), err)
	}
	for _, in := range h.In {
		b.refs = append(b.refs, ref{in.ID, b.row, b.dict.code([]byte(in.Role)), InInput})
	}
	for _, p := range h.Prev {
		b.refs = append(b.refs, ref{p, b.row, 0, InPrev})
	}
	b.ids = append(b.ids, id)
	b.lc = append(b.lc, h.LC)
	b.at = append(b.at, h.At)
	b.kind = append(b.kind, b.dict.code([]byte(h.Kind)))
	b.by = append(b.by, b.dict.code([]byte(h.By)))
	b.loc = append(b.loc, loc)
	if b.over {
		b.overflow = append(b.overflow, b.row)
	}
	return nil
}

// AddGone adds a record of which only the id is left: it has no kind, and names nothing.
func (b *Builder) AddGone(id object.Digest, loc Loc) {
	b.row = uint32(len(b.ids))
	b.gone = append(b.gone, b.row)
	b.ids = append(b.ids, id)
	b.lc, b.at = append(b.lc, 0), append(b.at, 0)
	b.kind, b.by = append(b.kind, b.dict.code(nil)), append(b.by, b.dict.code(nil))
	b.loc = append(b.loc, loc)
}

// walk reads a value and adds its scalars below n. The elements of a list share the list's path.
func (b *Builder) walk(s *line.Scanner, n *node) {
	switch s.Peek() {
	case '{':
		s.Begin()
		if n != nil {
			n.next = 0
		}
		for {
			if n != nil && n.next < len(n.children) && s.KeyIs(n.children[n.next].quoted) {
				n.next++
				b.walk(s, n.children[n.next-1])
				continue
			}
			key, ok := s.Key()
			if !ok {
				break
			}
			b.walk(s, b.child(n, key))
		}
	case '[':
		for s.Begin(); s.More(); {
			b.walk(s, n)
		}
	case '"':
		b.text(s.String(), n)
	case 't', 'f', 'n':
		switch s.Literal() {
		case 't':
			b.leaf(n, func() { n.flag.add(b.row, 1) })
		case 'f':
			b.leaf(n, func() { n.flag.add(b.row, 0) })
		}
	default:
		if v, ok := number(s.Number()); ok {
			if b.room(n) {
				n.num.add(b.row, v)
			}
		}
	}
}

func (b *Builder) leaf(n *node, add func()) {
	if b.room(n) {
		add()
	}
}

// room counts a scalar at n and reports whether it may be added.
func (b *Builder) room(n *node) bool {
	b.leaves++
	b.total++
	if n == nil || !b.Limitless && (b.leaves > maxLeaves || b.total > maxTotal) {
		b.over = true
		return false
	}
	return true
}

func (b *Builder) text(v []byte, n *node) {
	if d, ok := line.Digest(v); ok && n != nil {
		b.refs = append(b.refs, ref{d, b.row, n.path, InBody})
	}
	if len(b.dict.bytes)+len(v) > maxText {
		b.over = true
		return
	}
	if !b.room(n) {
		return
	}
	// Neighbouring records mostly say the same: the code of last time is tried first.
	if len(n.str.vals) == 0 || !bytes.Equal(b.dict.text(n.last), v) {
		n.last = b.dict.code(v)
	}
	n.str.add(b.row, n.last)
}

// child returns the place below n called key, nil when there are too many places.
func (b *Builder) child(n *node, key []byte) *node {
	if n == nil {
		return nil
	}
	if n.next < len(n.children) && n.children[n.next].name == string(key) {
		n.next++
		return n.children[n.next-1]
	}
	for i := 0; i < len(n.children) && n.byName == nil; i++ {
		if n.children[i].name == string(key) {
			n.next = i + 1
			return n.children[i]
		}
	}
	if c, ok := n.byName[string(key)]; ok {
		return c
	}
	return b.newChild(n, key)
}

const manyChildren = 64

func (b *Builder) newChild(n *node, key []byte) *node {
	full := key
	if n != &b.root {
		full = bytes.Join([][]byte{b.dict.text(n.path), key}, []byte{separator})
	}
	if b.paths == maxPaths || len(b.dict.bytes)+len(full) > maxText {
		b.over = true
		return nil
	}
	b.paths++
	hint := 0
	if b.row < earlyRows && b.paths < fewPaths {
		hint = b.hint
	}
	c := &node{num: series[float64]{hint: hint}, str: series[uint32]{hint: hint}, flag: series[uint32]{hint: hint}, name: string(key), path: b.dict.code(full)}
	c.quoted = append(append(append(c.quoted, '"'), key...), '"', ':')
	if bytes.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		c.quoted = []byte{0} // stands escaped in the line: never found this way
	}
	n.children = append(n.children, c)
	n.next = len(n.children)
	if n.byName != nil {
		n.byName[c.name] = c
	} else if len(n.children) == manyChildren {
		n.byName = make(map[string]*node, 2*manyChildren)
		for _, child := range n.children {
			n.byName[child.name] = child
		}
	}
	return c
}

// separator stands between the names of a path. A name that holds it can be confused with two names.
const separator = 0

// number converts the text of a JSON number. Short decimals are exact by one division; the rest takes the long way.
func number(b []byte) (float64, bool) {
	digits, frac, point, i := uint64(0), 0, false, 0
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		i = 1
	}
	for ; i < len(b) && len(b) <= 17; i++ {
		switch c := b[i]; {
		case c == '.':
			point = true
		case c > '9' || c < '0': // an exponent
			return slowNumber(b)
		default:
			digits = digits*10 + uint64(c-'0')
			if point {
				frac++
			}
		}
	}
	if len(b) > 17 || digits >= 1<<53 {
		return slowNumber(b)
	}
	v := float64(digits) / pow10(frac)
	if negative {
		v = -v
	}
	return v, true
}

func pow10(n int) float64 {
	return [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}[n]
}

func slowNumber(b []byte) (float64, bool) {
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil && !math.IsInf(v, 0)
}
