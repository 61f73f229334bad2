package gate

import (
	"context"
	"slices"
	"strings"
)

// measureKind is what a measure of quality is computed from.
type measureKind uint8

const (
	ofClasses measureKind = iota + 1 // labels and predicted classes
	ofScores                         // labels and scores of classes
	ofNumbers                        // labels and predictions that are numbers
	ofQueries                        // rows that queries rank
	ofGroups                         // how differently groups are treated
	ofRows                           // an expression over the columns
)

// measure is a value that mlx computes from predictions.
type measure struct {
	name    string
	kind    measureKind
	less    bool     // less is better
	options []string // beside those of every measure
	fixed   bool     // it has no better side, or nothing that two models could be compared by
	low     *float64 // least value that it can have
	high    *float64 // greatest
}

// measures are all values that mlx computes from predictions.
func measures() []measure {
	zero, one, minusOne := 0.0, 1.0, -1.0
	share := func(name string, kind measureKind, less bool, options ...string) measure {
		return measure{name: name, kind: kind, less: less, options: options, low: &zero, high: &one}
	}
	distance := func(name string, kind measureKind, options ...string) measure {
		return measure{name: name, kind: kind, less: true, options: options, low: &zero}
	}
	unfairness := func(name string, options ...string) measure {
		return measure{name: name, kind: ofGroups, less: true, fixed: true, options: append(options, "group"), low: &zero, high: &one}
	}
	return []measure{
		share("accuracy", ofClasses, false), share("balanced_accuracy", ofClasses, false), share("precision", ofClasses, false, "average"),
		share("recall", ofClasses, false, "average"), share("f1", ofClasses, false, "average"), share("specificity", ofClasses, false),
		{name: "mcc", kind: ofClasses, low: &minusOne, high: &one},
		share("roc_auc", ofScores, false, "average", "stat"), share("pr_auc", ofScores, false, "average"), distance("log_loss", ofScores), distance("brier", ofScores),
		share("ece", ofScores, true, "bins"), share("calibration", ofScores, true, "bins"), share("reliability", ofScores, true, "bins"),
		share("resolution", ofScores, false, "bins"), {name: "uncertainty", kind: ofScores, less: true, fixed: true, options: []string{"bins"}, low: &zero, high: &one},
		share("ndcg", ofQueries, false, "k"), share("map", ofQueries, false, "k"), share("mrr", ofQueries, false, "k"),
		share("precision_at_k", ofQueries, false, "k"), share("recall_at_k", ofQueries, false, "k"),
		distance("rmse", ofNumbers), distance("mae", ofNumbers), distance("median_ae", ofNumbers), {name: "r2", kind: ofNumbers, high: &one},
		distance("mape", ofNumbers), distance("smape", ofNumbers), {name: "max_error", kind: ofNumbers, less: true, fixed: true, low: &zero},
		{name: "bias", kind: ofNumbers, fixed: true}, distance("quantile_loss", ofNumbers, "quantile"),
		{name: "mean", kind: ofRows, fixed: true, options: []string{"columns"}},
		unfairness("demographic_parity", "stat"), unfairness("equalized_odds", "stat"), unfairness("equal_opportunity", "stat"),
		unfairness("predictive_parity", "stat"), unfairness("calibration_by_group"),
	}
}

func measureOf(name string) (measure, bool) {
	all := measures()
	i := slices.IndexFunc(all, func(m measure) bool { return m.name == name })
	if i < 0 {
		return measure{}, false
	}
	return all[i], true
}

// qualityFamily are the measures of how good a model is.
func qualityFamily() family {
	var names []string
	for _, m := range measures() {
		names = append(names, m.name)
	}
	return family{names: names, check: (*session).qualityCheck}
}

// qualityCheck compiles a check of the quality of a model.
func (s *session) qualityCheck(r Rule) (Check, error) {
	m, _ := measureOf(r.Name)
	allowed := append([]string{"min", "max", "margin", "table", "where", "slices", "min_rows"}, m.options...)
	if m.fixed {
		allowed = slices.DeleteFunc(allowed, func(key string) bool { return key == "margin" })
	}
	if err := s.only(r, allowed...); err != nil {
		return nil, err
	}
	switch {
	case r.Min == nil && r.Max == nil && r.Margin == nil:
		return nil, s.wrong(r, "%s has no limit", r.quoted()).Hint("%s", limitHint(m))
	case r.Margin != nil && (r.Margin.Value < 0 || r.Margin.Unit != "" && r.Margin.Unit != "share"):
		return nil, s.wrong(r, "margin: %s is no distance in the unit of %s", r.Margin.Text, r.Name).Hint("margin: 0.01")
	case r.MinRows < 0 || r.K < 0 || r.Bins < 0:
		return nil, s.wrong(r, "min_rows, k and bins are not below 0")
	case r.Bins > 1000:
		return nil, s.wrong(r, "bins: %d is more than 1000", r.Bins)
	case m.kind == ofRows && len(r.Columns) != 1:
		return nil, s.wrong(r, "mean is of one expression over the columns").Hint(`columns: ["abs(score - label) * weight"]`)
	case m.kind == ofGroups && r.Group == "":
		return nil, s.wrong(r, "%s has no group", r.quoted()).Hint("group: COLUMN   # whose values are compared")
	case r.Name == "quantile_loss" && !(r.Quantile > 0 && r.Quantile < 1):
		return nil, s.wrong(r, "quantile_loss needs a quantile between 0 and 1").Hint("quantile: 0.9")
	}
	if err := s.qualityWords(r); err != nil {
		return nil, err
	}
	return quality{s: s, m: m, r: r}, nil
}

func limitHint(m measure) string {
	switch {
	case m.fixed:
		return "max: NUMBER"
	case m.less:
		return "max: NUMBER, or margin: NUMBER to compare with production"
	}
	return "min: NUMBER, or margin: NUMBER to compare with production"
}

// qualityWords holds that options have words that mean something.
func (s *session) qualityWords(r Rule) error {
	stats := map[string][]string{"roc_auc": {"ovr", "ovo"}}[r.Name]
	if slices.Contains([]string{"demographic_parity", "equalized_odds", "equal_opportunity", "predictive_parity"}, r.Name) {
		stats = []string{"difference", "ratio"}
	}
	if r.Stat != "" && !slices.Contains(stats, r.Stat) {
		return s.wrong(r, "stat: %q has no meaning for %s", r.Stat, r.Name).Hint("it is %s", strings.Join(stats, " or "))
	}
	if (r.Average == "binary" || r.Average == "micro") && (r.Name == "roc_auc" || r.Name == "pr_auc") {
		return s.wrong(r, "average: %s has no meaning for %s", r.Average, r.Name).Hint("average: macro or weighted, over several classes")
	}
	if s.spec.Level != 0 && !(s.spec.Level > 0.5 && s.spec.Level < 1) {
		return s.wrong(r, "level: %v is not between 50%% and 100%%", s.spec.Level).Hint("level: 95%%")
	}
	for _, cut := range r.Slices {
		if cut == "" || strings.HasPrefix(cut, "+") || strings.HasSuffix(cut, "+") || strings.Contains(cut, "++") {
			return s.wrong(r, "slices: %q names no columns", cut).Hint("slices: [origin, origin+carrier]")
		}
	}
	return nil
}

// quality is a check of one measure: over all rows, and in each slice.
type quality struct {
	s *session
	m measure
	r Rule
}

// Check judges all rows and each slice.
func (c quality) Check(ctx context.Context, of Subject) ([]Finding, error) {
	g, err := c.s.golden(ctx, of, c.r)
	if err != nil {
		return nil, err
	}
	if err := c.suits(g); err != nil {
		return nil, err
	}
	all := g.sample(g.selected(c.r))
	if err := all.complete(c.m, c.r); err != nil {
		return nil, err
	}
	whole, err := c.judged(ctx, all, of)
	if err != nil {
		return nil, err
	}
	whole.f.Plot, err = c.plot(all)
	if err != nil {
		return nil, err
	}
	if len(c.r.Slices) == 0 {
		return []Finding{whole.f}, nil
	}
	return c.sliced(ctx, whole, of, g)
}

// selected are the rows that a rule judges; nil is all. A row of which its expression is neither true nor false is not among them.
func (g *golden) selected(r Rule) []int32 {
	if r.Where == "" {
		return nil
	}
	rows := []int32{}
	for i, in := range g.table.masks[r.Where] {
		if in {
			rows = append(rows, int32(i))
		}
	}
	return rows
}

// suits refuses measures that the rows cannot have, whatever they hold.
func (c quality) suits(g *golden) error {
	several := g.classes != nil && !g.binary
	switch {
	case several && c.onlyTwo():
		return c.s.unfit("%s is about two classes, and %s has %s", c.r.Name, g.table.name, list(g.classes)).Hint("positive: %s   # all others count as one", g.classes[0])
	case several && c.r.Average == "binary":
		return c.s.unfit("average: binary is about two classes, and %s has %s", g.table.name, list(g.classes)).Hint("average: macro")
	case c.r.Margin == nil || len(g.models) < 2 || c.m.kind == ofGroups:
		return nil
	case g.models[0].width != g.models[1].width && c.m.kind == ofScores:
		return c.s.unfit("%s has no scores as those of %s", g.s.spec.Predictions, g.table.name)
	}
	return nil
}

// onlyTwo says whether a measure has no meaning for more than two classes.
func (c quality) onlyTwo() bool {
	return slices.Contains([]string{"specificity", "calibration", "reliability", "resolution", "uncertainty"}, c.r.Name) || c.m.kind == ofGroups
}
