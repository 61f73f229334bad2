package gate

import (
	"context"
	"math"
	"slices"
	"strings"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"mlx/internal/dataset"
)

// predictionsExprs are the expressions of the checks, ready for the types of a table.
type predictionsExprs struct {
	frame *dataFrame // its columns are those that the expressions read
	masks []*exprRows
	means []predictionsMean
}

// predictionsMean is an expression that is a number in every row.
type predictionsMean struct {
	reads   []string
	at      []int // of reads, in the frame
	program *vm.Program
	rule    Rule
}

// compile makes the expressions of the checks ready and returns the columns that they read. Their types must be final.
func (r *predictionsReader) compile(ctx context.Context, t Table) ([]string, error) {
	if len(r.need.masks)+len(r.need.means) == 0 {
		return nil, nil
	}
	if err := t.Settle(ctx); err != nil {
		return nil, err
	}
	f := &dataFrame{session: r.s, table: t, where: r.p.name, schema: t.Schema(), columns: []string{}}
	r.exprs.frame = f
	for _, text := range r.need.masks {
		e, err := f.compileExpr(r.ruleWith(func(r Rule) bool { return r.Where == text }), text)
		if err != nil {
			return nil, err
		}
		r.exprs.masks = append(r.exprs.masks, e)
	}
	for _, text := range r.need.means {
		m, err := r.compileMean(r.ruleWith(func(r Rule) bool { return len(r.Columns) == 1 && r.Columns[0] == text }), text)
		if err != nil {
			return nil, err
		}
		r.exprs.means = append(r.exprs.means, m)
	}
	return f.columns, nil
}

// ruleWith is the rule that an expression stands in.
func (r *predictionsReader) ruleWith(is func(Rule) bool) Rule {
	return r.s.spec.Rules[max(slices.IndexFunc(r.s.spec.Rules, is), 0)]
}

func (r *predictionsReader) compileMean(rule Rule, text string) (predictionsMean, error) {
	f := r.exprs.frame
	parsed, err := r.s.parseExpr(rule, text)
	if err != nil {
		return predictionsMean{}, err
	}
	m := predictionsMean{reads: parsed.reads, rule: rule}
	env := map[string]any{}
	for _, name := range parsed.reads {
		at, err := f.column(rule, name)
		if err != nil {
			return m, err
		}
		m.at = append(m.at, at)
		env[name] = exprZero(f.schema[f.schema.Index(name)])
	}
	m.program, err = exprlang.Compile(text, exprlang.Env(env), exprlang.AsFloat64(), exprlang.Optimize(true))
	if err != nil {
		return m, r.s.wrongExpr(rule, err)
	}
	return m, nil
}

// express evaluates the expressions on a batch.
func (r *predictionsReader) express(p *predictionsPart, b *dataset.Batch) error {
	if r.exprs.frame == nil {
		return nil
	}
	own := &dataBatch{Batch: &dataset.Batch{Rows: b.Rows}}
	for _, name := range r.exprs.frame.columns {
		own.Columns = append(own.Columns, b.Columns[slices.Index(r.columns, name)])
	}
	for _, e := range r.exprs.masks {
		words := (b.Rows + 63) / 64
		truth, unknown := make(dataset.Bits, words), make(dataset.Bits, words)
		if err := e.eval(own, truth, unknown); err != nil {
			return err
		}
		mask := make([]bool, b.Rows)
		for i := range mask {
			mask[i] = truth.Has(i)
		}
		p.masks = append(p.masks, mask)
	}
	for _, m := range r.exprs.means {
		values, err := m.eval(r.s, own)
		if err != nil {
			return err
		}
		p.means = append(p.means, values)
	}
	return nil
}

// eval is the value of every row; NaN where a column is missing.
func (m predictionsMean) eval(s *session, b *dataBatch) ([]float64, error) {
	values := make([]float64, b.Rows)
	env := make(map[string]any, len(m.reads))
	var machine vm.VM
rows:
	for row := range values {
		for i, name := range m.reads {
			c := &b.Columns[m.at[i]]
			if c.Missing.Has(row) {
				values[row] = math.NaN()
				continue rows
			}
			env[name] = exprValue(c, row)
		}
		answer, err := machine.Run(m.program, env)
		if err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			return nil, s.wrong(m.rule, "expression: %s", first)
		}
		v, ok := answer.(float64)
		if !ok {
			v = math.NaN()
		}
		values[row] = v
	}
	return values, nil
}
