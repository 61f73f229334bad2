package gate

import (
	"slices"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"mlx/internal/fault"
)

// Condition is an expression over values by their names that is held against many of them, from several sides at once.
type Condition struct {
	text    string
	reads   []string // without which it has no answer
	all     []string
	root    ast.Node
	program *vm.Program
}

// ParseCondition reads an expression, in the language of all checks. What could run without end is refused.
func ParseCondition(text string) (*Condition, error) {
	s, rule := &session{spec: Spec{Name: "the condition"}}, Rule{Kind: "expr", Name: text}
	parsed, err := s.parseExpr(rule, text)
	if err != nil {
		return nil, err
	}
	program, err := exprlang.Compile(text, exprlang.Env(map[string]any{}), exprlang.AllowUndefinedVariables(), exprlang.AsBool())
	if err != nil {
		return nil, s.wrongExpr(rule, err)
	}
	c := &Condition{text: text, all: parsed.reads, root: parsed.root, program: program}
	for _, name := range parsed.reads {
		if !slices.Contains(parsed.asked, name) {
			c.reads = append(c.reads, name)
		}
	}
	return c, nil
}

// Reads are the names that the condition asks for.
func (c *Condition) Reads() []string { return c.all }

// Holds says whether the condition is true of values: numbers, texts and truth values. A name that it needs and that has none, and values that
// cannot be compared, are errors.
func (c *Condition) Holds(values map[string]any) (bool, error) {
	for _, name := range c.reads {
		if v, ok := values[name]; !ok || v == nil {
			return false, fault.New(fault.NotFound, "cannot tell whether %q holds: there is no %s", dataCut(c.text), name)
		}
	}
	got, err := exprlang.Run(c.program, values)
	if err != nil {
		return false, fault.New(fault.Usage, "cannot tell whether %q holds: %w", dataCut(c.text), err)
	}
	holds, ok := got.(bool)
	if !ok {
		return false, fault.New(fault.Usage, "cannot tell whether %q holds: it is %v, neither true nor false", dataCut(c.text), got)
	}
	return holds, nil
}

// Comparison is one value against a constant: a float64, a string or a bool.
type Comparison struct {
	Name string
	Op   string // ==, !=, <, <=, > or >=
	To   any
}

// Comparisons are what must all hold for the condition to; false where it is more than comparisons that are joined by and. For those who
// write the same in a language that knows no more.
func (c *Condition) Comparisons() ([]Comparison, bool) { return comparisons(c.root, nil) }

func comparisons(n ast.Node, all []Comparison) ([]Comparison, bool) {
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return nil, false
	}
	if b.Operator == "and" || b.Operator == "&&" {
		if all, ok = comparisons(b.Left, all); !ok {
			return nil, false
		}
		return comparisons(b.Right, all)
	}
	turned := map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
	if _, ok := turned[b.Operator]; !ok {
		return nil, false
	}
	op, left, right := b.Operator, b.Left, b.Right
	if _, named := exprName(left); !named {
		op, left, right = turned[op], right, left
	}
	name, named := exprName(left)
	to, constant := constantOf(right)
	return append(all, Comparison{name, op, to}), named && constant
}

// constantOf is a number, a text or a truth value that stands in an expression.
func constantOf(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.StringNode:
		return n.Value, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.UnaryNode:
		v, ok := constantOf(n.Node)
		number, isNumber := v.(float64)
		return -number, ok && isNumber && n.Operator == "-"
	}
	return nil, false
}
