package gate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every measure that mlx computes is explained: one without words would be an empty line.
func TestEveryMeasureHasWords(t *testing.T) {
	for _, f := range families() {
		for _, name := range f.names {
			if explainMeasure(name) == "" {
				t.Errorf("measure %s has no words", name)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	zero, most := 0.0, 0.99
	bound := func(v float64, text string) *Bound { return &Bound{Value: v, Text: text} }
	spec := Spec{Name: "g", For: "data/x.csv", Predictions: "golden.csv", Labels: "truth.csv", Train: "train.csv", Against: "m@production"}
	for _, c := range []struct {
		rule      Rule
		is, needs string
		reads     []string
	}{
		{Rule{Kind: "metric", Name: "auc", Min: bound(0.7, "0.7")}, "what the run recorded as auc", "at least 0.7", []string{}},
		{Rule{Kind: "measure", Name: "roc_auc", Margin: bound(0.01, "0.01"), Slices: []string{"origin"}, MinRows: 5000},
			"chance that a positive scores above a negative", "at most 0.01 worse than m@production, in every origin, with 5,000 rows or more",
			[]string{"golden.csv", "truth.csv"}},
		{Rule{Kind: "column", Name: "age", Nulls: &zero, Min: bound(0, "0"), Max: bound(120, "120"), Mostly: &most}, "every value of age",
			"never missing, 0 to 120, in 99% of the rows", []string{"data/x.csv"}},
		{Rule{Kind: "column", Name: "id", Unique: true, Columns: []string{"day"}, References: "all.csv:id"}, "every value of id",
			"unique together with day, in all.csv:id", []string{"data/x.csv", "all.csv"}},
		{Rule{Kind: "column", Name: "age", Stat: "psi", Reference: "jan.csv", Max: bound(0.1, "0.1")}, "population stability index of age from jan.csv",
			"at most 0.1", []string{"data/x.csv", "jan.csv"}},
		{Rule{Kind: "measure", Name: "shared_rows"}, "rows that the training has as well", "none", []string{"golden.csv", "train.csv"}},
	} {
		spec.Rules = []Rule{c.rule}
		all, err := Explain(spec)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{c.is, c.needs, c.reads}, []any{all[0].Is, all[0].Needs, all[0].Reads}); diff != "" {
			t.Errorf("%s: %s", c.rule.subject(), diff)
		}
	}
	spec.Rules = []Rule{{Kind: "measure", Name: "acuracy", Min: bound(0, "0")}}
	if _, err := Explain(spec); err == nil {
		t.Error("a gate that cannot be judged is explained")
	}
}
