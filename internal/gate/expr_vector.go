package gate

import (
	"bytes"
	"math"
	"regexp"
	"slices"

	"github.com/expr-lang/expr/ast"

	"mlx/internal/dataset"
)

// exprKind is what a part of an expression is, for a whole batch.
type exprKind uint8

const (
	exprUnknown exprKind = iota // always missing
	exprInt
	exprFloat
	exprBool
	exprTime // nanoseconds since 1970
	exprDay  // days since 1970
	exprText // a column of texts
)

// exprVec is the values of a part of an expression.
type exprVec struct {
	ints    []int64
	floats  []float64
	truth   dataset.Bits
	unknown dataset.Bits // may be nil
	column  *dataset.Column
}

// exprNode computes a part of an expression.
type exprNode struct {
	kind  exprKind
	value any // of a constant
	eval  func(b *dataBatch) (exprVec, error)
}

// exprCompiler turns the tree of an expression into nodes.
type exprCompiler struct {
	rows   *exprRows
	fields []dataset.Field
}

func (c exprCompiler) node(n ast.Node) (exprNode, error) {
	if name, ok := exprName(n); ok {
		i := slices.Index(c.rows.reads, name)
		return exprColumn(c.fields[i], c.rows.at[i])
	}
	switch n := n.(type) {
	case *ast.IntegerNode:
		return exprConstInt(int64(n.Value)), nil
	case *ast.FloatNode:
		return exprConstFloat(n.Value), nil
	case *ast.StringNode:
		return exprNode{kind: exprText, value: n.Value}, nil
	case *ast.BoolNode:
		return exprNode{kind: exprBool, value: n.Value, eval: func(b *dataBatch) (exprVec, error) {
			truth := b.bits()
			if n.Value {
				dataFill(truth)
			}
			return exprVec{truth: truth}, nil
		}}, nil
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	}
	return exprNode{}, errExprSlow
}

// exprColumn reads a column.
func exprColumn(f dataset.Field, at int) (exprNode, error) {
	ints := func(b *dataBatch) (exprVec, error) {
		return exprVec{ints: b.Columns[at].Ints, unknown: b.Columns[at].Missing}, nil
	}
	switch f.Type {
	case dataset.Null:
		return exprNode{kind: exprUnknown, eval: func(b *dataBatch) (exprVec, error) {
			all := b.bits()
			dataFill(all)
			return exprVec{truth: b.bits(), unknown: all}, nil
		}}, nil
	case dataset.Int:
		return exprNode{kind: exprInt, eval: ints}, nil
	case dataset.Float:
		return exprNode{kind: exprFloat, eval: func(b *dataBatch) (exprVec, error) {
			return exprVec{floats: b.Columns[at].Floats, unknown: b.Columns[at].Missing}, nil
		}}, nil
	case dataset.Decimal, dataset.Uint:
		return exprNode{kind: exprFloat, eval: func(b *dataBatch) (exprVec, error) {
			floats := b.floats()
			for i := range floats {
				floats[i] = b.Columns[at].Number(i)
			}
			return exprVec{floats: floats, unknown: b.Columns[at].Missing}, nil
		}}, nil
	case dataset.Bool:
		return exprNode{kind: exprBool, eval: func(b *dataBatch) (exprVec, error) {
			truth := b.bits()
			for i, v := range b.Columns[at].Ints {
				truth[i>>6] |= uint64(v&1) << (i & 63)
			}
			return exprVec{truth: truth, unknown: b.Columns[at].Missing}, nil
		}}, nil
	case dataset.Time:
		return exprNode{kind: exprTime, eval: ints}, nil
	case dataset.Date:
		return exprNode{kind: exprDay, eval: ints}, nil
	case dataset.Text:
		return exprNode{kind: exprText, eval: func(b *dataBatch) (exprVec, error) {
			return exprVec{column: &b.Columns[at], unknown: b.Columns[at].Missing}, nil
		}}, nil
	default:
		return exprNode{}, errExprSlow
	}
}

func exprConstInt(v int64) exprNode {
	return exprNode{kind: exprInt, value: v, eval: func(b *dataBatch) (exprVec, error) {
		ints := b.ints()
		for i := range ints {
			ints[i] = v
		}
		return exprVec{ints: ints}, nil
	}}
}

func exprConstFloat(v float64) exprNode {
	return exprNode{kind: exprFloat, value: v, eval: func(b *dataBatch) (exprVec, error) {
		floats := b.floats()
		for i := range floats {
			floats[i] = v
		}
		return exprVec{floats: floats}, nil
	}}
}

func (c exprCompiler) unary(n *ast.UnaryNode) (exprNode, error) {
	of, err := c.node(n.Node)
	if err != nil {
		return of, err
	}
	switch {
	case (n.Operator == "!" || n.Operator == "not") && (of.kind == exprBool || of.kind == exprUnknown):
		return exprNode{kind: exprBool, eval: func(b *dataBatch) (exprVec, error) {
			v, err := of.eval(b)
			if err != nil {
				return v, err
			}
			not := b.bits()
			for i := range not {
				not[i] = ^v.truth[i]
			}
			return exprVec{truth: not, unknown: v.unknown}, nil
		}}, nil
	case n.Operator == "-" && of.kind == exprInt && of.value != nil:
		return exprConstInt(-of.value.(int64)), nil
	case n.Operator == "-" && of.kind == exprFloat && of.value != nil:
		return exprConstFloat(-of.value.(float64)), nil
	}
	return exprNode{}, errExprSlow
}

func (c exprCompiler) binary(n *ast.BinaryNode) (exprNode, error) {
	if name, ok := exprName(n.Left); ok {
		if _, isNil := n.Right.(*ast.NilNode); isNil && (n.Operator == "==" || n.Operator == "!=") {
			return c.missing(name, n.Operator == "=="), nil
		}
	}
	if n.Operator == "in" {
		return c.in(n)
	}
	left, err := c.node(n.Left)
	if err != nil {
		return left, err
	}
	right, err := c.node(n.Right)
	if err != nil {
		return right, err
	}
	switch n.Operator {
	case "and", "&&", "or", "||":
		return exprLogic(left, right, n.Operator == "and" || n.Operator == "&&")
	case "==", "!=", "<", "<=", ">", ">=":
		return exprCompare(left, right, n.Operator)
	case "+", "-", "*", "/":
		return c.arithmetic(left, right, n.Operator)
	case "contains", "startsWith", "endsWith", "matches":
		return c.textual(left, right, n.Operator)
	}
	return exprNode{}, errExprSlow
}

// missing asks whether a column has no value.
func (c exprCompiler) missing(name string, want bool) exprNode {
	i := slices.Index(c.rows.reads, name)
	at, always := c.rows.at[i], c.fields[i].Type == dataset.Null
	return exprNode{kind: exprBool, eval: func(b *dataBatch) (exprVec, error) {
		truth := b.bits()
		dataUnion(truth, b.Columns[at].Missing)
		if always {
			dataFill(truth)
		}
		if !want {
			for i := range truth {
				truth[i] = ^truth[i]
			}
		}
		return exprVec{truth: truth}, nil
	}}
}

// textual asks something about a column of texts, once for each entry of a dictionary.
func (c exprCompiler) textual(left, right exprNode, operator string) (exprNode, error) {
	text, ok := right.value.(string)
	if !ok || left.kind != exprText || left.value != nil {
		return exprNode{}, errExprSlow
	}
	want := []byte(text)
	switch operator {
	case "contains":
		return exprTexts(left, func(v []byte) bool { return bytes.Contains(v, want) }), nil
	case "startsWith":
		return exprTexts(left, func(v []byte) bool { return bytes.HasPrefix(v, want) }), nil
	case "endsWith":
		return exprTexts(left, func(v []byte) bool { return bytes.HasSuffix(v, want) }), nil
	}
	pattern, err := regexp.Compile(text)
	if err != nil {
		return exprNode{}, c.rows.session.wrong(c.rows.rule, "expression: %v", err)
	}
	return exprTexts(left, pattern.Match), nil
}

func exprTexts(of exprNode, holds func(v []byte) bool) exprNode {
	return exprNode{kind: exprBool, eval: func(b *dataBatch) (exprVec, error) {
		v, err := of.eval(b)
		if err != nil {
			return v, err
		}
		truth := b.bits()
		markTexts(v.column, b.Rows, truth, holds)
		return exprVec{truth: truth, unknown: v.unknown}, nil
	}}
}

// in looks a column up in a list of constants, or in a range.
func (c exprCompiler) in(n *ast.BinaryNode) (exprNode, error) {
	of, err := c.node(n.Left)
	if err != nil {
		return of, err
	}
	if low, high, ok := exprRange(n.Right); ok && of.kind == exprInt {
		return exprInts(of, func(v []int64, truth dataset.Bits) {
			outside := make(dataset.Bits, len(truth))
			markInts(v, low, high, outside)
			for i := range truth {
				truth[i] = ^outside[i]
			}
		}), nil
	}
	array, ok := n.Right.(*ast.ArrayNode)
	if !ok || of.value != nil {
		return exprNode{}, errExprSlow
	}
	var ints []int64
	texts := map[string]bool{}
	for _, item := range array.Nodes {
		v, err := c.node(item)
		switch value := v.value.(type) {
		case int64:
			ints = append(ints, value)
		case string:
			texts[value] = true
		default:
			return exprNode{}, errExprSlow
		}
		if err != nil {
			return exprNode{}, err
		}
	}
	switch {
	case of.kind == exprInt && len(texts) == 0:
		return exprInts(of, func(v []int64, truth dataset.Bits) { markIn(v, ints, true, truth) }), nil
	case of.kind == exprText && len(ints) == 0:
		return exprTexts(of, func(v []byte) bool { return texts[string(v)] }), nil
	}
	return exprNode{}, errExprSlow
}

func exprInts(of exprNode, holds func(v []int64, truth dataset.Bits)) exprNode {
	return exprNode{kind: exprBool, eval: func(b *dataBatch) (exprVec, error) {
		v, err := of.eval(b)
		if err != nil {
			return v, err
		}
		truth := b.bits()
		holds(v.ints, truth)
		return exprVec{truth: truth, unknown: v.unknown}, nil
	}}
}

// exprAsFloat makes floats of integers.
func exprAsFloat(of exprNode) exprNode {
	switch v := of.value.(type) {
	case int64:
		return exprConstFloat(float64(v))
	case float64:
		return of
	}
	if of.kind == exprFloat {
		return of
	}
	return exprNode{kind: exprFloat, eval: func(b *dataBatch) (exprVec, error) {
		v, err := of.eval(b)
		if err != nil {
			return v, err
		}
		floats := b.floats()
		for i, x := range v.ints {
			floats[i] = float64(x)
		}
		return exprVec{floats: floats, unknown: v.unknown}, nil
	}}
}

// exprWhole is a float constant as the integer that it is.
func exprWhole(v float64) (int64, bool) {
	return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
}
