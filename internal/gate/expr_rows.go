package gate

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// exprRows is an expression over the columns of a table. Comparisons and arithmetic are computed for a whole batch at once; an
// expression with more in it is run row by row, which takes about a microsecond each.
type exprRows struct {
	exprParsed
	session *session
	rule    Rule
	at      []int // of reads, in a batch
	vector  exprNode
	program *vm.Program // when there is no vector
}

var errExprSlow = errors.New("not for whole batches") // never leaves this package

// compileExpr makes an expression ready for the types of the table.
func (f *dataFrame) compileExpr(r Rule, text string) (*exprRows, error) {
	parsed, err := f.session.parseExpr(r, text)
	if err != nil {
		return nil, err
	}
	e := &exprRows{exprParsed: parsed, session: f.session, rule: r}
	fields := make([]dataset.Field, len(parsed.reads))
	for i, name := range parsed.reads {
		at, err := f.column(r, name)
		if err != nil {
			return nil, err
		}
		e.at = append(e.at, at)
		fields[i] = f.schema[f.schema.Index(name)]
	}
	c := exprCompiler{rows: e, fields: fields}
	e.vector, err = c.node(parsed.root)
	if err == nil && e.vector.kind == exprBool {
		return e, nil
	}
	if err == nil && e.vector.kind != exprUnknown {
		return nil, f.session.wrong(r, "the expression is no condition: it is neither true nor false")
	}
	if err != nil && !errors.Is(err, errExprSlow) {
		return nil, err
	}
	env := make(map[string]any, len(fields))
	for i, field := range fields {
		env[parsed.reads[i]] = exprZero(field)
	}
	e.program, err = exprlang.Compile(text, exprlang.Env(env), exprlang.AsBool(), exprlang.Optimize(true))
	if err != nil {
		return nil, f.session.wrongExpr(r, err)
	}
	return e, nil
}

// eval sets the rows of which the expression is true, and those of which it is neither true nor false.
func (e *exprRows) eval(b *dataBatch, truth, unknown dataset.Bits) error {
	if e.program != nil {
		return e.evalRows(b, truth, unknown)
	}
	v, err := e.vector.eval(b)
	if err != nil {
		return err
	}
	copy(truth, v.truth)
	dataUnion(unknown, v.unknown)
	for i := range truth {
		truth[i] &^= unknown[i]
	}
	return nil
}

// evalRows runs the program. A row in which a column is missing that the expression does not ask about is not judged; neither is one in
// which the program stumbles over something missing.
func (e *exprRows) evalRows(b *dataBatch, truth, unknown dataset.Bits) error {
	env := make(map[string]any, len(e.reads))
	var machine vm.VM
rows:
	for row := range b.Rows {
		missing := false
		for i, name := range e.reads {
			c := &b.Columns[e.at[i]]
			if !c.Missing.Has(row) {
				env[name] = exprValue(c, row)
				continue
			}
			if !slices.Contains(e.asked, name) {
				unknown.Set(row)
				continue rows
			}
			missing, env[name] = true, nil
		}
		answer, err := machine.Run(e.program, env)
		switch {
		case err != nil && missing:
			unknown.Set(row)
		case err != nil:
			first, _, _ := strings.Cut(err.Error(), "\n")
			return fault.New(fault.Usage, "cannot judge %s: expression: %s (%s)", e.session.spec.Name, first, place(e.rule.At)).In(e.rule.At)
		case answer == true:
			truth.Set(row)
		}
	}
	return nil
}

// exprValue is a value as an expression sees it: decimals are floats, days and moments times.
func exprValue(c *dataset.Column, row int) any {
	switch c.Type {
	case dataset.Bool:
		return c.Ints[row] != 0
	case dataset.Int:
		return int(c.Ints[row])
	case dataset.Uint, dataset.Float, dataset.Decimal:
		return c.Number(row)
	case dataset.Date:
		return time.Unix(c.Ints[row]*86400, 0).UTC()
	case dataset.Time:
		return time.Unix(0, c.Ints[row]).UTC()
	default:
		return string(c.AppendText(nil, row))
	}
}

// exprZero is any value of the kind that exprValue gives for a column: the compiler looks at its type.
func exprZero(f dataset.Field) any {
	switch f.Type {
	case dataset.Bool:
		return false
	case dataset.Int:
		return 0
	case dataset.Uint, dataset.Float, dataset.Decimal:
		return 0.0
	case dataset.Date, dataset.Time:
		return time.Time{}
	case dataset.Null:
		return reflect.Zero(reflect.TypeFor[*int]()).Interface()
	default:
		return ""
	}
}
