package gate

import (
	"bytes"
	"math"
	"math/bits"

	"mlx/internal/dataset"
)

// exprLogic joins two conditions. What is unknown stays so unless the other side decides.
func exprLogic(left, right exprNode, and bool) (exprNode, error) {
	for _, side := range []exprNode{left, right} {
		if side.kind != exprBool && side.kind != exprUnknown {
			return exprNode{}, errExprSlow
		}
	}
	return exprNode{kind: exprBool, eval: func(b *dataBatch) (exprVec, error) {
		l, err := left.eval(b)
		if err != nil {
			return l, err
		}
		r, err := right.eval(b)
		if err != nil {
			return r, err
		}
		truth, unknown := b.bits(), b.bits()
		for i := range truth {
			lu, ru := exprWord(l.unknown, i), exprWord(r.unknown, i)
			lt, rt := l.truth[i]&^lu, r.truth[i]&^ru
			if and {
				truth[i] = lt & rt
				unknown[i] = (lu | lt) & (ru | rt) &^ truth[i]
			} else {
				truth[i] = lt | rt
				unknown[i] = (lu | ru) &^ truth[i]
			}
		}
		return exprVec{truth: truth, unknown: unknown}, nil
	}}, nil
}

func exprWord(set dataset.Bits, i int) uint64 {
	if set == nil {
		return 0
	}
	return set[i]
}

// exprBoth is what is unknown when either side is.
func (b *dataBatch) exprBoth(l, r dataset.Bits) dataset.Bits {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	}
	both := b.bits()
	for i := range both {
		both[i] = l[i] | r[i]
	}
	return both
}

// exprCompare compares two sides of one kind.
func exprCompare(left, right exprNode, operator string) (exprNode, error) {
	if left.kind == exprUnknown || right.kind == exprUnknown {
		return exprNode{kind: exprBool, eval: func(b *dataBatch) (exprVec, error) {
			all := b.bits()
			dataFill(all)
			return exprVec{truth: b.bits(), unknown: all}, nil
		}}, nil
	}
	left, right = exprTimes(left, right)
	right, left = exprTimes(right, left)
	if left.kind == exprTime && right.kind == exprDay {
		right = exprAsTime(right)
	} else if left.kind == exprDay && right.kind == exprTime {
		left = exprAsTime(left)
	}
	if v, ok := right.value.(float64); ok && left.kind == exprInt {
		if whole, ok := exprWhole(v); ok {
			right = exprConstInt(whole)
		}
	}
	switch {
	case left.kind == exprText && right.kind == exprText:
		return exprCompareTexts(left, right, operator)
	case left.kind == exprBool && right.kind == exprBool && (operator == "==" || operator == "!="):
		return exprPair(left, right, func(l, r exprVec, _ int, truth dataset.Bits) {
			for i := range truth {
				if truth[i] = l.truth[i] ^ r.truth[i]; operator == "==" {
					truth[i] = ^truth[i]
				}
			}
		}), nil
	case left.kind == right.kind && (left.kind == exprInt || left.kind == exprTime || left.kind == exprDay):
		if v, ok := right.value.(int64); ok && left.value == nil {
			return exprPair(left, exprNode{eval: exprNothing}, func(l, _ exprVec, _ int, truth dataset.Bits) { compareConst(l.ints, v, operator, truth) }), nil
		}
		return exprPair(left, right, func(l, r exprVec, n int, truth dataset.Bits) { compareAll(l.ints[:n], r.ints, operator, truth) }), nil
	case left.number() && right.number():
		left, right = exprAsFloat(left), exprAsFloat(right)
		if v, ok := right.value.(float64); ok && left.value == nil {
			return exprPair(left, exprNode{eval: exprNothing}, func(l, _ exprVec, _ int, truth dataset.Bits) { compareConst(l.floats, v, operator, truth) }), nil
		}
		return exprPair(left, right, func(l, r exprVec, n int, truth dataset.Bits) { compareAll(l.floats[:n], r.floats, operator, truth) }), nil
	}
	return exprNode{}, errExprSlow
}

func (n exprNode) number() bool { return n.kind == exprInt || n.kind == exprFloat }

func exprNothing(*dataBatch) (exprVec, error) { return exprVec{}, nil }

// exprTimes reads a constant text beside a time or a day as one.
func exprTimes(left, right exprNode) (exprNode, exprNode) {
	text, ok := right.value.(string)
	if !ok || left.kind != exprTime && left.kind != exprDay {
		return left, right
	}
	at, ok := dataTime(text)
	if ok && left.kind == exprDay && at.Unix()%86400 == 0 && at.Nanosecond() == 0 {
		day := exprConstInt(at.Unix() / 86400)
		day.kind = exprDay
		return left, day
	}
	if !ok || at.Year() < 1678 || at.Year() > 2261 {
		return left, right
	}
	moment := exprConstInt(at.UnixNano())
	moment.kind = exprTime
	return left, moment
}

// exprAsTime makes moments of days. Those that 64 bits cannot count, such as 9999-12-31, are before or after all that they can.
func exprAsTime(of exprNode) exprNode {
	return exprNode{kind: exprTime, eval: func(b *dataBatch) (exprVec, error) {
		v, err := of.eval(b)
		if err != nil {
			return v, err
		}
		const day = 86_400_000_000_000
		const most = math.MaxInt64 / day
		moments := b.ints()
		for i, d := range v.ints {
			switch {
			case d > most:
				moments[i] = math.MaxInt64
			case d < -most:
				moments[i] = math.MinInt64
			default:
				moments[i] = d * day
			}
		}
		return exprVec{ints: moments, unknown: v.unknown}, nil
	}}
}

func exprPair(left, right exprNode, fill func(l, r exprVec, n int, truth dataset.Bits)) exprNode {
	return exprNode{kind: exprBool, eval: func(b *dataBatch) (exprVec, error) {
		l, r, unknown, err := exprSides(b, left, right)
		if err != nil {
			return l, err
		}
		truth := b.bits()
		fill(l, r, b.Rows, truth)
		return exprVec{truth: truth, unknown: unknown}, nil
	}}
}

func exprCompareTexts(left, right exprNode, operator string) (exprNode, error) {
	if text, ok := right.value.(string); ok && left.value == nil {
		want := []byte(text)
		return exprTexts(left, func(v []byte) bool { return compared(bytes.Compare(v, want), operator) }), nil
	}
	if left.value != nil || right.value != nil {
		return exprNode{}, errExprSlow
	}
	return exprPair(left, right, func(l, r exprVec, n int, truth dataset.Bits) {
		for i := range n {
			if !l.column.Missing.Has(i) && !r.column.Missing.Has(i) && compared(bytes.Compare(l.column.Bytes(i), r.column.Bytes(i)), operator) {
				truth.Set(i)
			}
		}
	}), nil
}

func compared(c int, operator string) bool {
	switch operator {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func compareConst[T int64 | float64](l []T, r T, operator string, truth dataset.Bits) {
	switch operator {
	case "==":
		exprEach(l, truth, func(a T) bool { return a == r })
	case "!=":
		exprEach(l, truth, func(a T) bool { return a != r })
	case "<":
		exprEach(l, truth, func(a T) bool { return a < r })
	case "<=":
		exprEach(l, truth, func(a T) bool { return a <= r })
	case ">":
		exprEach(l, truth, func(a T) bool { return a > r })
	default:
		exprEach(l, truth, func(a T) bool { return a >= r })
	}
}

func exprEach[T int64 | float64](l []T, truth dataset.Bits, holds func(a T) bool) {
	for w := range truth {
		var m uint64
		for i, a := range l[w*64 : min(w*64+64, len(l))] {
			if holds(a) {
				m |= 1 << i
			}
		}
		truth[w] = m
	}
}

func compareAll[T int64 | float64](l, r []T, operator string, truth dataset.Bits) {
	switch operator {
	case "==":
		exprEachPair(l, r, truth, func(a, b T) bool { return a == b })
	case "!=":
		exprEachPair(l, r, truth, func(a, b T) bool { return a != b })
	case "<":
		exprEachPair(l, r, truth, func(a, b T) bool { return a < b })
	case "<=":
		exprEachPair(l, r, truth, func(a, b T) bool { return a <= b })
	case ">":
		exprEachPair(l, r, truth, func(a, b T) bool { return a > b })
	default:
		exprEachPair(l, r, truth, func(a, b T) bool { return a >= b })
	}
}

func exprEachPair[T int64 | float64](l, r []T, truth dataset.Bits, holds func(a, b T) bool) {
	for w := range truth {
		var m uint64
		end := min(w*64+64, len(l))
		right := r[w*64 : end]
		for i, a := range l[w*64 : end] {
			if holds(a, right[i]) {
				m |= 1 << i
			}
		}
		truth[w] = m
	}
}

// arithmetic computes + - * of integers, refusing what overflows, and of floats; / is always of floats.
func (c exprCompiler) arithmetic(left, right exprNode, operator string) (exprNode, error) {
	if !left.number() || !right.number() {
		return exprNode{}, errExprSlow
	}
	if left.kind == exprInt && right.kind == exprInt && operator != "/" {
		return exprNode{kind: exprInt, eval: func(b *dataBatch) (exprVec, error) {
			l, r, unknown, err := exprSides(b, left, right)
			if err != nil {
				return l, err
			}
			sum := b.ints()
			for i := range sum {
				v, ok := exprWholeSum(l.ints[i], r.ints[i], operator)
				if !ok && !unknown.Has(i) {
					return l, c.rows.session.wrong(c.rows.rule, "%d %s %d does not fit 64 bits", l.ints[i], operator, r.ints[i])
				}
				sum[i] = v
			}
			return exprVec{ints: sum, unknown: unknown}, nil
		}}, nil
	}
	left, right = exprAsFloat(left), exprAsFloat(right)
	return exprNode{kind: exprFloat, eval: func(b *dataBatch) (exprVec, error) {
		l, r, unknown, err := exprSides(b, left, right)
		if err != nil {
			return l, err
		}
		sum := b.floats()
		for i := range sum {
			switch x, y := l.floats[i], r.floats[i]; operator {
			case "+":
				sum[i] = x + y
			case "-":
				sum[i] = x - y
			case "*":
				sum[i] = x * y
			default:
				sum[i] = x / y
			}
		}
		return exprVec{floats: sum, unknown: unknown}, nil
	}}, nil
}

func exprSides(b *dataBatch, left, right exprNode) (l, r exprVec, unknown dataset.Bits, err error) {
	if l, err = left.eval(b); err != nil {
		return l, r, nil, err
	}
	if r, err = right.eval(b); err != nil {
		return l, r, nil, err
	}
	return l, r, b.exprBoth(l.unknown, r.unknown), nil
}

func exprWholeSum(a, b int64, operator string) (int64, bool) {
	switch operator {
	case "+":
		s := a + b
		return s, (a > 0) != (b > 0) || (s > 0) == (a > 0) || a == 0 || b == 0
	case "-":
		d := a - b
		return d, (d < a) == (b > 0)
	}
	negative := (a < 0) != (b < 0)
	high, low := bits.Mul64(exprMagnitude(a), exprMagnitude(b))
	if negative {
		return int64(-low), high == 0 && low <= 1<<63
	}
	return int64(low), high == 0 && low < 1<<63
}

func exprMagnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}
