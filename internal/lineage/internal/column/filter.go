package column

import (
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"

	"mlx/internal/lineage/internal/where"
)

// Filter returns the rows for which e is true; nil is true everywhere. Rows of Overflow may be wrong.
func (ix *Index) Filter(e where.Expr) Bits {
	switch e := e.(type) {
	case *where.And:
		out := ix.Filter(e.X)
		out.And(ix.Filter(e.Y))
		return out
	case *where.Or:
		out := ix.Filter(e.X)
		out.Or(ix.Filter(e.Y))
		return out
	case *where.Not:
		out := AllBits(ix.Rows)
		out.AndNot(ix.Filter(e.X))
		return out
	case *where.Test:
		out := NewBits(ix.Rows)
		for _, v := range e.Values {
			ix.test(out, e, v)
		}
		return out
	}
	return AllBits(ix.Rows)
}

// test adds the rows that pass t for one of its values.
func (ix *Index) test(out Bits, t *where.Test, v where.Value) {
	path := strings.Join(t.Path, string(rune(separator)))
	special := len(t.Path) == 1 && ix.special(path)
	if v.Type == where.Null {
		found := NewBits(ix.Rows)
		if special {
			found = AllBits(ix.Rows)
		} else {
			ix.present(found, path)
		}
		if t.Op != where.Unequal {
			all := AllBits(ix.Rows)
			all.AndNot(found)
			found = all
		}
		out.Or(found)
		return
	}
	switch {
	case special:
		ix.testSpecial(out, path, t, v)
	case v.Type == where.Number:
		ix.numbers(path).within(out, interval(t.Op, v.Num))
	case v.Type == where.Bool:
		ix.testFlag(out, path, t.Op, v.Bool)
	case v.Type == where.String:
		ix.testText(out, ix.texts(path), t, v.Str)
	}
}

func (ix *Index) special(path string) bool {
	switch path {
	case "id", "kind", "at", "by", "lc":
		return true
	}
	return false
}

func (ix *Index) testSpecial(out Bits, path string, t *where.Test, v where.Value) {
	switch path {
	case "kind", "by":
		if v.Type == where.String {
			ix.testText(out, pairs[uint32]{dense: ix.codes(path)}, t, v.Str)
		}
	case "id":
		if v.Type == where.String {
			want := strings.TrimPrefix(v.Str, "sha256:")
			pass := predicate(t, want)
			var buf [2 * hashLen]byte
			for row, id := range ix.IDs() {
				if pass(hex.AppendEncode(buf[:0], id[:])) {
					out.Set(row)
				}
			}
		}
	case "lc", "at":
		if v.Type == where.Number {
			ix.order(path).within(out, interval(t.Op, v.Num))
			return
		}
		if path == "at" {
			pass := predicate(t, v.Str)
			for row, at := range ix.Times() {
				if pass([]byte(time.UnixMicro(at).UTC().Format(time.RFC3339Nano))) {
					out.Set(row)
				}
			}
		}
	}
}

func (ix *Index) codes(path string) []uint32 {
	if path == "kind" {
		return fixedView[uint32](ix, secKind)
	}
	return fixedView[uint32](ix, secBy)
}

func (ix *Index) order(path string) pairs[float64] {
	out := make([]float64, ix.Rows)
	if path == "lc" {
		for i, v := range ix.Clock() {
			out[i] = float64(v)
		}
	} else {
		for i, v := range ix.Times() {
			out[i] = float64(v)
		}
	}
	return pairs[float64]{dense: out}
}

// pairs is a column: dense, or the rows that have a value beside these values.
type pairs[T scalar] struct {
	dense []T
	rows  []uint32
	vals  []T
}

func load[T scalar](ix *Index, path string, dense section) pairs[T] {
	p := pairs[T]{view[T](ix.column(path, dense)), view[uint32](ix.column(path, dense+1)), view[T](ix.column(path, dense+2))}
	if len(p.dense) != 0 && len(p.dense) != ix.Rows || len(p.rows) != len(p.vals) {
		ix.bad.Store(true)
		return pairs[T]{}
	}
	return p
}

func (ix *Index) numbers(path string) pairs[float64] { return load[float64](ix, path, secNum) }
func (ix *Index) texts(path string) pairs[uint32]    { return load[uint32](ix, path, secStr) }
func (ix *Index) flags(path string) pairs[uint32]    { return load[uint32](ix, path, secFlag) }

// span is the numbers from lo to hi, or with outside the others. NaN is in neither.
type span struct {
	lo, hi  float64
	outside bool
}

func interval(op where.Op, v float64) span {
	inf := math.Inf(1)
	switch op {
	case where.Less:
		return span{lo: -inf, hi: math.Nextafter(v, -inf)}
	case where.AtMost:
		return span{lo: -inf, hi: v}
	case where.More:
		return span{lo: math.Nextafter(v, inf), hi: inf}
	case where.AtLeast:
		return span{lo: v, hi: inf}
	case where.Unequal:
		return span{lo: v, hi: v, outside: true}
	case where.Equal, where.In, where.Contains, where.StartsWith, where.EndsWith, where.Matches:
	}
	return span{lo: v, hi: v}
}

func (s span) has(v float64) bool {
	if s.outside {
		return v < s.lo || v > s.hi
	}
	return v >= s.lo && v <= s.hi
}

func (p pairs[T]) each(yield func(row int, v T)) {
	for row, v := range p.dense {
		yield(row, v)
	}
	for i, row := range p.rows {
		yield(int(row), p.vals[i])
	}
}

// within adds the rows whose number is in s. The dense loop is the hot one of every query.
func (p pairs[T]) within(out Bits, s span) {
	dense, ok := any(p.dense).([]float64)
	if !ok {
		return
	}
	for base := 0; base < len(dense); base += 64 {
		var in, word uint64
		for i, v := range dense[base:min(base+64, len(dense))] {
			if v >= s.lo && v <= s.hi {
				in = 1
			} else {
				in = 0
			}
			word |= in << i
		}
		if s.outside {
			word = 0
			for i, v := range dense[base:min(base+64, len(dense))] {
				if s.has(v) {
					word |= 1 << i
				}
			}
		}
		out[base/64] |= word
	}
	vals, _ := any(p.vals).([]float64)
	for i, row := range p.rows {
		if int(row) < len(out)*64 && s.has(vals[i]) {
			out.Set(int(row))
		}
	}
}

func (ix *Index) testFlag(out Bits, path string, op where.Op, want bool) {
	code := uint32(0)
	if want != (op == where.Unequal) {
		code = 1
	}
	ix.flags(path).each(func(row int, v uint32) {
		if v == code && row < ix.Rows {
			out.Set(row)
		}
	})
}

func (ix *Index) testText(out Bits, col pairs[uint32], t *where.Test, want string) {
	if len(col.dense) == 0 && len(col.rows) == 0 {
		return
	}
	ends := fixedView[uint32](ix, secTextEnds)
	pass := predicate(t, want)
	known := make([]uint8, len(ends)) // what is known of each string: 0 nothing, 1 fails, 2 passes
	col.each(func(row int, code uint32) {
		if int64(code) >= int64(len(known)) || row >= ix.Rows {
			return // missing
		}
		if known[code] == 0 {
			known[code] = 1
			if pass(ix.text(code)) {
				known[code] = 2
			}
		}
		if known[code] == 2 {
			out.Set(row)
		}
	})
}

func predicate(t *where.Test, want string) func([]byte) bool {
	switch t.Op {
	case where.Unequal:
		return func(b []byte) bool { return string(b) != want }
	case where.Less:
		return func(b []byte) bool { return string(b) < want }
	case where.AtMost:
		return func(b []byte) bool { return string(b) <= want }
	case where.More:
		return func(b []byte) bool { return string(b) > want }
	case where.AtLeast:
		return func(b []byte) bool { return string(b) >= want }
	case where.Contains:
		return func(b []byte) bool { return strings.Contains(string(b), want) }
	case where.StartsWith:
		return func(b []byte) bool { return strings.HasPrefix(string(b), want) }
	case where.EndsWith:
		return func(b []byte) bool { return strings.HasSuffix(string(b), want) }
	case where.Matches:
		return t.Match.Match
	case where.Equal, where.In:
	}
	return func(b []byte) bool { return string(b) == want }
}

// present adds the rows that have something at path or below it. Empty lists and objects count as nothing.
func (ix *Index) present(out Bits, path string) {
	for _, e := range ix.below(path) {
		p := string(ix.path(e))
		if e.kind == secNum || e.kind == secNumRows {
			ix.numbers(p).each(func(row int, v float64) {
				if v == v && row < ix.Rows {
					out.Set(row)
				}
			})
			continue
		}
		col := ix.texts(p)
		if e.kind >= secFlag {
			col = ix.flags(p)
		}
		col.each(func(row int, code uint32) {
			if code != missingCode && row < ix.Rows {
				out.Set(row)
			}
		})
	}
}

// Key is what a row is sorted by. Greater classes come later in both directions.
type Key struct {
	Class uint8 // 0 number, 1 string, 2 truth, 3 missing
	Num   float64
	Str   string
}

// Keys returns a function that gives the sort key of a row: the first value at path.
func (ix *Index) Keys(path where.Path) func(row int) Key {
	joined := strings.Join(path, string(rune(separator)))
	if len(path) == 1 && ix.special(joined) {
		return ix.specialKeys(joined)
	}
	num, str, flag := ix.numbers(joined), ix.texts(joined), ix.flags(joined)
	return func(row int) Key {
		if v, ok := num.at(row); ok && v == v {
			return Key{Num: v}
		}
		if code, ok := str.at(row); ok && code != missingCode {
			return Key{Class: 1, Str: string(ix.text(code))}
		}
		if v, ok := flag.at(row); ok && v != missingCode {
			return Key{Class: 2, Num: float64(v)}
		}
		return Key{Class: 3}
	}
}

func (p pairs[T]) at(row int) (v T, ok bool) {
	if row < len(p.dense) {
		return p.dense[row], true
	}
	if i, found := slices.BinarySearch(p.rows, uint32(row)); found {
		return p.vals[i], true
	}
	return v, false
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
