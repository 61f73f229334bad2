package gate

import (
	"maps"
	"math"

	"github.com/expr-lang/expr/ast"
)

// span is where a number may lie.
type span struct {
	low, high         float64
	lowOpen, highOpen bool // the bound itself is left out
}

func (s span) empty() bool { return s.low > s.high || s.low == s.high && (s.lowOpen || s.highOpen) }

// and is where both hold.
func (s span) and(o span) span {
	if o.low > s.low || o.low == s.low && o.lowOpen {
		s.low, s.lowOpen = o.low, o.lowOpen
	}
	if o.high < s.high || o.high == s.high && o.highOpen {
		s.high, s.highOpen = o.high, o.highOpen
	}
	return s
}

// maxWays bounds how many ways there are looked at in which a condition may hold.
const maxWays = 256

// Never says that no values make the condition true, because bounds of one number exclude each other: score > 0.8 and score < 0.2. Of what it does
// not understand it says so of none.
func (c *Condition) Never() bool { return len(ways(c.root)) == 0 }

// ways are the bounds of names in each way in which an expression may be true.
func ways(n ast.Node) []map[string]span {
	anything := []map[string]span{{}}
	switch n := n.(type) {
	case *ast.BoolNode:
		if !n.Value {
			return nil
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			return waysOfBoth(ways(n.Left), ways(n.Right))
		case "or", "||":
			if all := append(ways(n.Left), ways(n.Right)...); len(all) <= maxWays {
				return all
			}
			return anything
		}
		if name, s, ok := boundOf(n); ok {
			return []map[string]span{{name: s}}
		}
	}
	return anything
}

// waysOfBoth are the ways in which two expressions are true together.
func waysOfBoth(left, right []map[string]span) []map[string]span {
	if len(left)*len(right) > maxWays {
		return []map[string]span{{}}
	}
	var all []map[string]span
	for _, a := range left {
		for _, b := range right {
			both, empty := maps.Clone(a), false
			for name, s := range b {
				if had, ok := both[name]; ok {
					s = had.and(s)
				}
				both[name] = s
				empty = empty || s.empty()
			}
			if !empty {
				all = append(all, both)
			}
		}
	}
	return all
}

// boundOf is what a comparison of a name with a number says of it.
func boundOf(n *ast.BinaryNode) (name string, s span, ok bool) {
	operator := n.Operator
	name, isName := exprName(n.Left)
	value, isNumber := writtenNumber(n.Right)
	if !isName || !isNumber {
		name, isName = exprName(n.Right)
		value, isNumber = writtenNumber(n.Left)
		if turned, is := map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}[operator]; is {
			operator = turned
		}
	}
	if !isName || !isNumber {
		return "", s, false
	}
	s = span{low: math.Inf(-1), high: math.Inf(1)}
	switch operator {
	case "<", "<=":
		s.high, s.highOpen = value, operator == "<"
	case ">", ">=":
		s.low, s.lowOpen = value, operator == ">"
	case "==":
		s.low, s.high = value, value
	default:
		return "", s, false
	}
	return name, s, true
}

// writtenNumber is a number as it is written.
func writtenNumber(n ast.Node) (float64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.UnaryNode:
		v, ok := writtenNumber(n.Node)
		return -v, ok && n.Operator == "-"
	}
	return 0, false
}
