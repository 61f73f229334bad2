package gate

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	exprlang "github.com/expr-lang/expr"

	"mlx/internal/fault"
)

// exprMetrics is an expression over what a run recorded.
type exprMetrics struct {
	session *session
	rule    Rule
	parsed  exprParsed
}

// Check evaluates the expression once. A metric that it reads and that is NaN or infinite makes it inconclusive.
func (c exprMetrics) Check(_ context.Context, s Subject) ([]Finding, error) {
	if c.rule.Where != "" || c.rule.Mostly != nil {
		return nil, c.session.wrong(c.rule, "where: and mostly: are about rows, and the expression reads none")
	}
	metrics := make(map[string]any, len(s.Metrics))
	for name, v := range s.Metrics {
		metrics[name] = v
	}
	params := s.Params
	if params == nil {
		params = map[string]any{}
	}
	f := c.rule.finding()
	f.Needs = dataCut(c.rule.Name)
	var shown []string
	for _, name := range c.parsed.reads {
		word, err := c.read(s, name)
		if err != nil {
			return nil, err
		}
		shown = append(shown, word)
		if v, ok := s.Metrics[strings.TrimPrefix(name, "metrics.")]; ok && strings.HasPrefix(name, "metrics.") && (math.IsNaN(v) || math.IsInf(v, 0)) {
			f.Verdict = Inconclusive
		}
	}
	f.Shown = strings.Join(shown, ", ")
	if f.Shown == "" {
		f.Shown = "reads nothing"
	}
	if f.Verdict == Inconclusive {
		return []Finding{f}, nil
	}
	env := map[string]any{"metrics": metrics, "params": params}
	program, err := exprlang.Compile(c.rule.Name, exprlang.Env(env), exprlang.AsBool())
	if err != nil {
		return nil, c.session.wrongExpr(c.rule, err)
	}
	answer, err := exprlang.Run(program, env)
	if err != nil {
		return nil, c.session.wrongExpr(c.rule, err)
	}
	if f.Verdict = Fail; answer == true {
		f.Verdict = Pass
	}
	return []Finding{f}, nil
}

// read says what a name is: "auc 0.741".
func (c exprMetrics) read(s Subject, name string) (string, error) {
	if metric, ok := strings.CutPrefix(name, "metrics."); ok {
		v, ok := s.Metrics[metric]
		if !ok {
			return "", c.unknown(name, slices.Sorted(maps.Keys(s.Metrics)), "metrics.", s)
		}
		return metric + " " + strconv.FormatFloat(v, 'g', -1, 64), nil
	}
	param, ok := strings.CutPrefix(name, "params.")
	if !ok {
		return "", c.session.wrong(c.rule, "the expression reads %s beside metrics and params", name)
	}
	v, ok := s.Params[param]
	if !ok {
		return "", c.unknown(name, slices.Sorted(maps.Keys(s.Params)), "params.", s)
	}
	return param + " " + dataCut(dataScalar(v)), nil
}

func (c exprMetrics) unknown(name string, known []string, prefix string, s Subject) error {
	err := fault.New(fault.NotFound, "cannot judge %s: %s has no %s (%s)", c.session.spec.Name, s.For.words(), name, place(c.rule.At)).In(c.rule.At)
	if near := fault.Nearest(strings.TrimPrefix(name, prefix), known); near != "" {
		return err.Hint("did you mean %s%s?", prefix, near)
	}
	if len(known) == 0 {
		return err.Hint("the %s has none", s.For.Kind)
	}
	return err.Hint("the %s has %s", s.For.Kind, list(known))
}
