package gate

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
)

// golden is the rows that models are judged on: what is true of each row, and what the candidate and production say of it.
type golden struct {
	s         *session
	table     *predictions
	binary    bool
	names     []string  // of the labels, as they stand in the table
	classes   []string  // of binary: the other, the positive one
	labels    []int32   // into classes; of binary 1 is positive; -1 is missing
	actual    []float64 // labels as numbers; NaN is missing
	models    []answers // of the candidate, and of production when it is compared
	clusters  []int32
	same      bool         // candidate and production have the same bytes
	byPlace   bool         // rows were matched by their place
	decisions [2][]float64 // predicted classes of a model as numbers, once a measure has asked
}

// answers is what one model says of the rows.
type answers struct {
	scores    []float64 // rows x width; NaN is missing
	width     int       // 1, or one for each class
	predicted []int32   // classes; -1 is missing
	declared  bool      // predicted stands in the table
}

// goldenShared is what the checks of one gate share.
type goldenShared struct {
	tables map[string]*golden
}

// golden reads the predictions that a rule judges. Checks of one gate share them.
func (s *session) golden(ctx context.Context, of Subject, r Rule) (*golden, error) {
	if g, ok := s.quality.tables[r.Table]; ok {
		return g, nil
	}
	need := s.need(r.Table)
	name := func(of Subject) string {
		switch {
		case r.Table != "":
			return r.Table
		case of.Table != "":
			return of.Table
		}
		return s.spec.Predictions
	}
	need.compares = need.compares && of.Against != nil
	need.ids = need.compares || s.spec.Labels != ""
	candidate, err := s.openPredictions(ctx, of, name(of), need)
	if err != nil {
		return nil, err
	}
	var production *predictions
	if need.compares {
		if production, err = s.openPredictions(ctx, *of.Against, name(*of.Against), need.ofBaseline()); err != nil {
			return nil, err
		}
		if err := s.apart(of, candidate, production); err != nil {
			return nil, err
		}
		if production.name == candidate.name {
			production.name += " of " + of.Against.For.words()
		}
	}
	g, err := s.newGolden(candidate, production)
	if err != nil {
		return nil, err
	}
	if s.quality.tables == nil {
		s.quality.tables = map[string]*golden{}
	}
	s.quality.tables[r.Table] = g
	return g, nil
}

// apart holds that production has predictions of its own: a run that kept none must not be given those that lie in the project now, which
// are the candidate's.
func (s *session) apart(of Subject, candidate, production *predictions) error {
	fromRun := func(p *predictions) bool { return strings.HasPrefix(p.ref.Name, "run:") }
	same := candidate.ref == production.ref && of.Against.For != of.For
	if of.Against.For.Kind != "run" || fromRun(production) || !same && !fromRun(candidate) {
		return nil
	}
	return s.unfit("%s has no predictions %s among its outputs", of.Against.For.words(), production.name).
		Hint("mlx run -o %s ...   # keeps them with the run", production.name)
}

// newGolden makes one set of rows of the predictions of one model or of two.
func (s *session) newGolden(candidate, production *predictions) (*golden, error) {
	g := &golden{s: s, table: candidate, actual: candidate.actual, clusters: candidate.clusters}
	to, err := g.pair(production)
	if err != nil {
		return nil, err
	}
	candidate.ids = nil // they have served
	if production != nil {
		production.ids = nil
	}
	if err := g.classify(production); err != nil {
		return nil, err
	}
	candidate.label = nil
	for i, p := range []*predictions{candidate, production} {
		if p == nil {
			continue
		}
		var rows []int32
		if i == 1 {
			rows = to
		}
		a, err := g.answersOf(p, rows)
		if err != nil {
			return nil, err
		}
		g.models = append(g.models, a)
	}
	return g, nil
}

// pair finds the row of production for each row of the candidate: nil when they stand in the same order.
func (g *golden) pair(production *predictions) ([]int32, error) {
	if production == nil {
		return nil, nil
	}
	g.same = production.ref.ID == g.table.ref.ID && !production.ref.ID.IsZero()
	if (g.table.ids == nil) != (production.ids == nil) {
		with, without := g.table, production
		if with.ids == nil {
			with, without = without, with
		}
		return nil, g.s.unfit("%s has a column %s and %s has none: their rows cannot be matched", with.name, with.roles.id, without.name)
	}
	var to []int32
	switch {
	case g.table.ids == nil && g.table.rows != production.rows:
		return nil, g.s.unfit("%s has %d rows and %s has %d: without an id they cannot be matched", g.table.name, g.table.rows, production.name, production.rows).
			Hint("columns: {id: NAME}")
	case g.table.ids == nil:
		g.byPlace = true
	case !slices.Equal(g.table.ids, production.ids):
		var err error
		if to, err = g.s.match(g.table, production); err != nil {
			return nil, err
		}
	default:
		if _, err := g.s.indexed(g.table); err != nil {
			return nil, err
		}
	}
	return to, g.sameLabels(production, to)
}

// sameLabels holds that both tables say the same of the same rows.
func (g *golden) sameLabels(production *predictions, to []int32) error {
	at := func(i int) int {
		if to != nil {
			return int(to[i])
		}
		return i
	}
	differ, first := 0, -1
	count := func(i int) {
		if differ++; first < 0 {
			first = i
		}
	}
	a, b := g.table.label, production.label
	switch {
	case a != nil && b != nil:
		for i, code := range a.codes {
			if other := b.codes[at(i)]; (code < 0) != (other < 0) || code >= 0 && a.names[code] != b.names[other] {
				count(i)
			}
		}
	case g.table.actual != nil && production.actual != nil:
		for i, v := range g.table.actual {
			if w := production.actual[at(i)]; v != w && !(math.IsNaN(v) && math.IsNaN(w)) {
				count(i)
			}
		}
	case g.byPlace:
		return g.s.unfit("%s and %s have neither ids nor labels both: their rows cannot be matched", g.table.name, production.name).Hint("columns: {id: NAME}")
	}
	if differ > 0 {
		return g.s.unfit("%d of %d rows have another label in %s than in %s, the first in %s", differ, g.table.rows, g.table.name, production.name,
			g.table.place(first))
	}
	return nil
}

// answersOf puts the scores and classes of a model into the order and the classes of the golden rows.
func (g *golden) answersOf(p *predictions, rows []int32) (answers, error) {
	var a answers
	if p.class != nil {
		a.declared = true
		a.predicted = g.recoded(p.class)
	}
	if p.score != nil {
		if err := g.scoresOf(p, &a); err != nil {
			return a, err
		}
	}
	if a.predicted == nil && a.scores != nil && g.classes != nil {
		a.predicted = g.decided(a)
	}
	if rows == nil {
		return a, nil
	}
	a.predicted = gather(a.predicted, rows)
	if a.width > 0 {
		from := a.scores
		a.scores = make([]float64, len(from))
		for i, row := range rows {
			copy(a.scores[i*a.width:(i+1)*a.width], from[int(row)*a.width:])
		}
	}
	return a, nil
}

// decided are the classes that scores stand for: by the threshold, else the one with the highest score.
func (g *golden) decided(a answers) []int32 {
	n := len(a.scores) / a.width
	predicted := make([]int32, n)
	for i := range predicted {
		row := a.scores[i*a.width : (i+1)*a.width]
		switch {
		case slices.ContainsFunc(row, math.IsNaN):
			predicted[i] = -1
		case a.width == 1 && row[0] >= g.threshold():
			predicted[i] = 1
		case a.width > 1:
			for k, v := range row {
				if v > row[predicted[i]] {
					predicted[i] = int32(k)
				}
			}
		}
	}
	return predicted
}

// threshold is the score from which a row counts as positive.
func (g *golden) threshold() float64 {
	if t := g.s.spec.Threshold; t != nil {
		return *t
	}
	return 0.5
}

// probability turns log-odds into probabilities, in place.
func probability(logits []float64, width int) {
	for at := 0; at < len(logits); at += width {
		row := logits[at : at+width]
		if width == 1 {
			row[0] = 1 / (1 + math.Exp(-row[0]))
			continue
		}
		most, sum := slices.Max(row), 0.0
		for k, v := range row {
			row[k] = math.Exp(v - most)
			sum += row[k]
		}
		for k := range row {
			row[k] /= sum
		}
	}
}

// scalarText writes a value of mlx.yaml as the label of a class.
func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return className(v)
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}
