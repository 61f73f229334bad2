package gate

import (
	"errors"
	"math"
	"slices"

	"mlx/internal/stats"
)

// sample is the golden rows that one finding is about, as columns.
type sample struct {
	g        *golden
	rows     []int32 // of the golden rows; nil: all of them
	n        int
	labels   []int32
	actual   []float64
	models   []answers
	weights  []float64
	clusters []int32
	queries  []int32
}

// sample takes some of the golden rows; nil takes all, without a copy.
func (g *golden) sample(rows []int32) *sample {
	t := g.table
	if rows == nil {
		return &sample{g: g, n: t.rows, labels: g.labels, actual: g.actual, models: g.models, weights: t.weights, clusters: g.clusters, queries: t.queries}
	}
	sm := &sample{g: g, rows: rows, n: len(rows), labels: gather(g.labels, rows), actual: gather(g.actual, rows), weights: gather(t.weights, rows),
		clusters: gather(g.clusters, rows), queries: gather(t.queries, rows)}
	for _, a := range g.models {
		b := answers{width: a.width, declared: a.declared, predicted: gather(a.predicted, rows)}
		if a.scores != nil {
			b.scores = make([]float64, 0, len(rows)*a.width)
			for _, row := range rows {
				b.scores = append(b.scores, a.scores[int(row)*a.width:(int(row)+1)*a.width]...)
			}
		}
		sm.models = append(sm.models, b)
	}
	return sm
}

// row is the golden row of row i of the sample.
func (sm *sample) row(i int) int {
	if sm.rows != nil {
		return int(sm.rows[i])
	}
	return i
}

// complete holds that the rows have what a measure needs of them: nothing is left out in silence.
func (sm *sample) complete(m measure, r Rule) error {
	g := sm.g
	var absent func(i int) (column, what string, bad bool)
	switch {
	case m.kind == ofRows:
		values := g.table.means[r.Columns[0]]
		return sm.none(func(i int) (string, string, bool) { return r.Columns[0], "value", lacking(values[sm.row(i)]) })
	case m.kind == ofNumbers || m.kind == ofQueries:
		if sm.actual == nil {
			return g.lacks("label", m)
		}
		absent = func(i int) (string, string, bool) { return g.table.roles.label, "label", lacking(sm.actual[i]) }
	case m.name == "demographic_parity":
		absent = func(int) (string, string, bool) { return "", "", false }
	default:
		if sm.labels == nil {
			return g.lacks("label", m)
		}
		absent = func(i int) (string, string, bool) { return g.table.roles.label, "label", sm.labels[i] < 0 }
	}
	if err := sm.none(absent); err != nil {
		return err
	}
	for k, a := range sm.models {
		if k == 1 && r.Margin == nil {
			break
		}
		if err := sm.answered(m, k, a); err != nil {
			return err
		}
	}
	if m.kind == ofQueries && sm.queries == nil {
		return g.lacks("query", m)
	}
	return sm.none(func(i int) (string, string, bool) {
		return g.table.roles.weight, "weight", sm.weights != nil && (lacking(sm.weights[i]) || sm.weights[i] < 0)
	})
}

func lacking(v float64) bool { return v-v != 0 }

// answered holds that a model says something of every row.
func (sm *sample) answered(m measure, model int, a answers) error {
	g := sm.g
	if m.kind == ofClasses || m.kind == ofGroups && m.name != "calibration_by_group" {
		if a.predicted == nil {
			return g.lacks("score", m)
		}
		return sm.none(func(i int) (string, string, bool) {
			return g.scoreColumn(), sm.whose(model, "class"), a.predicted[i] < 0
		})
	}
	if a.scores == nil {
		if a.predicted != nil {
			return g.s.unfit("%s needs scores, and %s has only classes", m.name, g.table.name)
		}
		return g.lacks("score", m)
	}
	return sm.none(func(i int) (string, string, bool) {
		return g.scoreColumn(), sm.whose(model, "score"), slices.ContainsFunc(a.scores[i*a.width:(i+1)*a.width], lacking)
	})
}

func (sm *sample) whose(model int, what string) string {
	if model == 1 {
		return what + " of production"
	}
	return what
}

func (g *golden) scoreColumn() string {
	if g.table.roles.score == "" && g.table.roles.scores == nil {
		return g.table.roles.class
	}
	if g.table.roles.scores != nil {
		return list(g.table.roles.scores)
	}
	return g.table.roles.score
}

// none holds that no row is bad, and names the first that is and how many are.
func (sm *sample) none(bad func(i int) (column, what string, bad bool)) error {
	first, count := -1, 0
	for i := range sm.n {
		if _, _, is := bad(i); is {
			if count++; first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return nil
	}
	column, what, _ := bad(first)
	more := ""
	if count > 1 {
		more = ", and in " + thousands(int64(count-1)) + " more rows"
	}
	return sm.g.s.unfit("%s, column %s: the %s is missing or no finite number%s", sm.g.table.place(sm.row(first)), column, what, more)
}

func (g *golden) lacks(role string, m measure) error {
	return g.s.unfit("%s needs a column for the role %s, and %s has none", m.name, role, g.table.name).Hint("columns: {%s: NAME}", role)
}

// explained names the row of an error of the numerics.
func (sm *sample) explained(err error, m measure) error {
	var in *stats.InputError
	if !errors.As(err, &in) {
		return err
	}
	if in.Row < 0 {
		return sm.g.s.unfit("%s: %s", m.name, in.Problem)
	}
	return sm.g.s.unfit("%s: %s: %s", m.name, sm.g.table.place(sm.row(in.Row)), in.Problem).
		Hint("logits: true   # if the scores are log-odds and not probabilities")
}

// decisions are the predicted classes of a model as scores of 0 and 1. Those of all rows are kept for the next measure.
func (sm *sample) decisions(model int) []float64 {
	if kept := sm.g.decisions[model]; sm.rows == nil && kept != nil {
		return kept
	}
	all := make([]float64, sm.n)
	for i, p := range sm.models[model].predicted {
		all[i] = float64(p)
	}
	if sm.rows == nil {
		sm.g.decisions[model] = all
	}
	return all
}

func (sm *sample) asBinary(model int) stats.Binary {
	return stats.Binary{Labels: sm.labels, Scores: sm.models[model].scores, Weights: sm.weights}
}

func (sm *sample) asMulti(model int) stats.Multi {
	a := sm.models[model]
	return stats.Multi{Labels: sm.labels, Scores: a.scores, Classes: a.width, Weights: sm.weights}
}

func (sm *sample) asRegression(model int) stats.Regression {
	return stats.Regression{Actual: sm.actual, Predicted: sm.models[model].scores, Weights: sm.weights}
}

func (sm *sample) asRanking(model int) stats.Ranking {
	return stats.Ranking{Relevance: sm.actual, Scores: sm.models[model].scores, Queries: sm.queries}
}

// total is the weight of all rows.
func (sm *sample) total() float64 {
	if sm.weights == nil {
		return float64(sm.n)
	}
	sum := 0.0
	for _, w := range sm.weights {
		sum += w
	}
	return sum
}

func (sm *sample) weight(i int) float64 {
	if sm.weights == nil {
		return 1
	}
	return sm.weights[i]
}

// oneClass says whether all rows have the same label.
func (sm *sample) oneClass() bool {
	return sm.labels != nil && (sm.n == 0 || !slices.ContainsFunc(sm.labels, func(y int32) bool { return y != sm.labels[0] }))
}

// finite is a pointer to a number that a record can hold.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	if v == 0 {
		v = 0 // a negative zero has no place in a record
	}
	return &v
}
