package gate

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// exprLongest is the longest expression. Without loops, how long one takes is bounded by how long it is and by what the values hold.
const exprLongest = 10_000

// exprFunctions are the functions that an expression may call: none loops, makes texts of unbounded size or asks the clock.
func exprFunctions() []string {
	return []string{"abs", "ceil", "floor", "round", "int", "float", "string", "len", "upper", "lower", "trim", "trimPrefix", "trimSuffix",
		"hasPrefix", "hasSuffix", "indexOf", "max", "min", "date", "duration", "type"}
}

// exprParsed is an expression that may be judged, and what it reads.
type exprParsed struct {
	text  string
	root  ast.Node
	reads []string // names, or metrics.NAME and params.NAME
	asked []string // of reads: those whose missing values the expression asks for
}

// parseExpr reads an expression and refuses what could run without end.
func (s *session) parseExpr(r Rule, text string) (exprParsed, error) {
	e := exprParsed{text: text}
	if len(text) > exprLongest {
		return e, s.wrong(r, "the expression is longer than %d characters", exprLongest)
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return e, s.wrongExpr(r, err)
	}
	e.root = tree.Node
	v := &exprWalk{parsed: &e}
	v.walk(tree.Node)
	if v.problem != "" {
		err := s.wrong(r, "%s has no place in an expression", v.problem)
		if v.near != "" {
			return e, err.Hint("did you mean %q?", v.near)
		}
		return e, err.Hint("functions are %s", strings.Join(exprFunctions(), ", "))
	}
	return e, nil
}

// wrongExpr is the error for an expression that is none, on one line.
func (s *session) wrongExpr(r Rule, err error) *fault.Error {
	var at *file.Error
	if errors.As(err, &at) {
		return s.wrong(r, "%s at character %d of the expression", at.Message, at.Column+1)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return s.wrong(r, "expression: %s", first)
}

// exprWalk collects what an expression reads.
type exprWalk struct {
	parsed  *exprParsed
	problem string
	near    string
}

func (w *exprWalk) walk(n ast.Node) {
	if name, ok := exprName(n); ok {
		if !slices.Contains(w.parsed.reads, name) {
			w.parsed.reads = append(w.parsed.reads, name)
		}
		return
	}
	switch n := n.(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode:
	case *ast.UnaryNode:
		w.walk(n.Node)
	case *ast.BinaryNode:
		w.binary(n)
	case *ast.ConditionalNode:
		w.all(n.Cond, n.Exp1, n.Exp2)
	case *ast.ArrayNode:
		w.all(n.Nodes...)
	case *ast.BuiltinNode:
		w.call(n.Name, n.Arguments)
	case *ast.CallNode:
		name := "a call"
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			name = callee.Value
		}
		w.call(name, n.Arguments)
	case *ast.MemberNode:
		w.problem = "a dot or an index"
	default:
		w.problem = "a loop, a variable or a record"
	}
}

func (w *exprWalk) all(nodes ...ast.Node) {
	for _, n := range nodes {
		w.walk(n)
	}
}

func (w *exprWalk) call(name string, arguments []ast.Node) {
	if !slices.Contains(exprFunctions(), name) {
		w.problem, w.near = "function "+name, fault.Nearest(name, exprFunctions())
		return
	}
	w.all(arguments...)
}

func (w *exprWalk) binary(n *ast.BinaryNode) {
	w.all(n.Left, n.Right)
	switch n.Operator {
	case "|":
		w.problem = "|"
	case "..":
		if _, _, ok := exprRange(n); !ok {
			w.problem = "a range that is not of two numbers, or of more than 100,000"
		}
	case "==", "!=", "??":
		for _, pair := range [][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
			name, ok := exprName(pair[0])
			if _, isNil := pair[1].(*ast.NilNode); ok && (isNil || n.Operator == "??") {
				w.parsed.asked = append(w.parsed.asked, name)
			}
		}
	}
}

// exprName is the column, or the metric or parameter, that a node reads: name, metrics.name, $env["any name"], metrics["any name"].
func exprName(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.ChainNode:
		return exprName(n.Node)
	case *ast.IdentifierNode:
		return n.Value, n.Value != "$env"
	case *ast.MemberNode:
		of, ok := n.Node.(*ast.IdentifierNode)
		property, isText := n.Property.(*ast.StringNode)
		if !ok || !isText {
			return "", false
		}
		switch of.Value {
		case "$env":
			return property.Value, true
		case "metrics", "params":
			return of.Value + "." + property.Value, true
		}
	}
	return "", false
}

// exprRange is a range of two whole numbers, as in `x in 1..9`.
func exprRange(n ast.Node) (low, high int64, ok bool) {
	b, isBinary := n.(*ast.BinaryNode)
	if !isBinary || b.Operator != ".." {
		return 0, 0, false
	}
	low, okLow := exprWholeNumber(b.Left)
	high, okHigh := exprWholeNumber(b.Right)
	if !okLow || !okHigh || high < low || uint64(high)-uint64(low) > 100_000 {
		return 0, 0, false
	}
	return low, high, true
}

func exprWholeNumber(n ast.Node) (int64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return int64(n.Value), true
	case *ast.UnaryNode:
		v, ok := exprWholeNumber(n.Node)
		return -v, ok && n.Operator == "-"
	}
	return 0, false
}

// expression makes the check of an expression: about every row of a table, or about the metrics and parameters of a run.
func (s *session) expression(r Rule) (Check, error) {
	if err := s.only(r, "mostly", "table", "where", "min_rows"); err != nil {
		return nil, err
	}
	parsed, err := s.parseExpr(r, r.Name)
	if err != nil {
		return nil, err
	}
	rows := s.onTable(r, planExpr)
	return exprCheck{rows: rows, metrics: exprMetrics{session: s, rule: r, parsed: parsed}}, nil
}

// exprCheck is about rows when there is a table, else about the run.
type exprCheck struct {
	rows    Check
	metrics exprMetrics
}

func (c exprCheck) Check(ctx context.Context, s Subject) ([]Finding, error) {
	onRun := func(name string) bool {
		return strings.HasPrefix(name, "metrics.") || strings.HasPrefix(name, "params.")
	}
	if c.metrics.rule.Table == "" && (len(c.metrics.parsed.reads) == 0 || slices.ContainsFunc(c.metrics.parsed.reads, onRun)) {
		return c.metrics.Check(ctx, s)
	}
	return c.rows.Check(ctx, s)
}

// planExpr holds that an expression is true of every row. A row for which it is neither true nor false, because something that it reads
// is missing, is not judged.
func planExpr(_ context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	compiled, err := f.compileExpr(r, r.Name)
	if err != nil {
		return nil, err
	}
	j, err := f.newRowJudge(r, r.Called(), compiled.at)
	if err != nil {
		return nil, err
	}
	j.is, j.needs = "not so", dataCut(r.Name)
	j.mark = func(b *dataBatch, bad, skip dataset.Bits) error {
		truth := b.bits()
		if err := compiled.eval(b, truth, skip); err != nil {
			return err
		}
		for i, w := range truth {
			bad[i] = ^w
		}
		dataOnly(bad, b.Rows)
		return nil
	}
	return []dataJudge{j}, nil
}
