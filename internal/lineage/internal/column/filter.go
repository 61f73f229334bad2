package column

import (
	"encoding/hex"
	"math"
	"sort"
	"strings"
	"time"

	"mlx/internal/lineage/internal/where"
)

// Scope is what a filter has to know beside its expression.
type Scope struct {
	Extra Extra // stands in place of what records say
	Rows  Bits  // the rows that matter, the others may be wrong; nil for all
}

// Filter returns the rows for which e is true; nil is true everywhere. Rows of Overflow may be wrong.
func (ix *Index) Filter(e where.Expr, in Scope) Bits {
	switch e := e.(type) {
	case *where.And:
		out := ix.Filter(e.X, in)
		out.And(ix.Filter(e.Y, in))
		return out
	case *where.Or:
		out := ix.Filter(e.X, in)
		out.Or(ix.Filter(e.Y, in))
		return out
	case *where.Not:
		out := AllBits(ix.Rows)
		out.AndNot(ix.Filter(e.X, in))
		return out
	case *where.Test:
		out := NewBits(ix.Rows)
		if words, ok := wordsOf(e); ok {
			for _, path := range ix.variants(e.Path) {
				ix.testText(out, ix.texts(path), anyOf(words).within(in))
			}
		} else {
			for _, v := range e.Values {
				ix.test(out, test{e, v, in})
			}
		}
		in.Extra.correct(out, e)
		return out
	}
	return AllBits(ix.Rows)
}

// test is a test for one of its values.
type test struct {
	*where.Test
	v  where.Value
	in Scope
}

// test adds the rows that pass t.
func (ix *Index) test(out Bits, t test) {
	v := t.v
	variants := ix.variants(t.Path)
	path := variants[0]
	special := len(t.Path) == 1 && isSpecial(path)
	if v.Type == where.Null {
		found := NewBits(ix.Rows)
		if special {
			found = AllBits(ix.Rows)
		} else {
			for _, path := range variants {
				ix.present(found, path)
			}
		}
		if t.Op != where.Unequal {
			all := AllBits(ix.Rows)
			all.AndNot(found)
			found = all
		}
		out.Or(found)
		return
	}
	if special {
		ix.testSpecial(out, path, t)
		return
	}
	for _, path := range variants {
		switch v.Type {
		case where.Number:
			ix.numbers(path).within(out, interval(t.Op, v.Num))
		case where.Bool:
			ix.testFlag(out, path, t.Op, v.Bool)
		case where.String:
			ix.testText(out, ix.texts(path), wanted(t))
		case where.Null:
		}
	}
}

// isSpecial reports whether a path is no place in a body.
func isSpecial(path string) bool {
	switch path {
	case "id", "kind", "at", "by", "lc":
		return true
	}
	return false
}

func (ix *Index) testSpecial(out Bits, path string, t test) {
	v := t.v
	switch path {
	case "kind", "by":
		if v.Type == where.String {
			ix.testText(out, pairs[uint32]{dense: ix.codes(path)}, wanted(t))
		}
	case "id":
		if v.Type == where.String {
			want := strings.TrimPrefix(v.Str, "sha256:")
			pass := predicate(t.Test, want)
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
			pass := predicate(t.Test, v.Str)
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

// need is what a string must be to pass.
type need struct {
	pass   func([]byte) bool
	length int  // that it must have, -1 for any
	rows   Bits // the rows that matter when they are few, else nil
}

func wanted(t test) need {
	n := need{pass: predicate(t.Test, t.v.Str), length: -1}
	if t.Op == where.Equal || t.Op == where.In {
		n.length = len(t.v.Str)
	}
	return n.within(t.in)
}

func (n need) within(in Scope) need {
	if in.Rows != nil && in.Rows.Count()*16 < len(in.Rows)*64 {
		n.rows = in.Rows
	}
	return n
}

// wordsOf returns what a test asks for when it is one of several strings.
func wordsOf(t *where.Test) ([]string, bool) {
	if t.Op != where.In || len(t.Values) < 2 || len(t.Path) == 1 && isSpecial(t.Path[0]) {
		return nil, false
	}
	words := make([]string, len(t.Values))
	for i, v := range t.Values {
		if v.Type != where.String {
			return nil, false
		}
		words[i] = v.Str
	}
	return words, true
}

func anyOf(words []string) need {
	set := make(map[string]bool, len(words))
	n := need{pass: func(b []byte) bool { return set[string(b)] }, length: len(words[0])}
	for _, w := range words {
		set[w] = true
		if len(w) != n.length {
			n.length = -1
		}
	}
	return n
}

// testText adds the rows whose string passes. Strings are compared as rarely as can be: to look at one costs much more than
// to see that it is that of a row before.
func (ix *Index) testText(out Bits, col pairs[uint32], n need) {
	var known [256]struct {
		code   uint32
		tested bool
		passed bool
	}
	total := ix.count(secTextEnds, 4)
	decide := func(row int, code uint32) {
		if int64(code) >= int64(total) || row >= ix.Rows {
			return // missing
		}
		k := &known[code%uint32(len(known))]
		if !k.tested || k.code != code {
			k.code, k.tested = code, true
			from, end := ix.span(code)
			k.passed = (n.length < 0 || n.length == int(end)-int(from)) && n.pass(ix.textBytes(from, end))
		}
		if k.passed {
			out.Set(row)
		}
	}
	if n.rows == nil {
		col.each(decide)
		return
	}
	at := 0
	for row := range n.rows.Each {
		if row < len(col.dense) {
			decide(row, col.dense[row])
		}
		for at += sort.Search(len(col.rows)-at, func(i int) bool { return int(col.rows[at+i]) >= row }); at < len(col.rows) && int(col.rows[at]) == row; at++ {
			decide(row, col.vals[at])
		}
	}
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
