package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"mlx/internal/stats"
)

// unfairness judges how differently groups are treated: the value itself by the limits, with its bootstrap interval shown. Groups with
// fewer than min_rows rows are left out, and said.
func (c quality) unfairness(sm *sample, f Finding) (judgement, error) {
	column := sm.g.table.cuts[c.r.Group]
	if column == nil {
		f.Verdict, f.Shown = Inconclusive, c.undefined(sm)
		return judgement{f, math.NaN()}, nil
	}
	groups := column.codes
	if sm.rows != nil {
		groups = gather(groups, sm.rows)
	}
	kept, few := c.largeGroups(groups, len(column.names))
	if len(kept) < sm.n {
		rows := make([]int32, len(kept))
		for i, at := range kept {
			rows[i] = int32(sm.row(int(at)))
		}
		sm, groups = sm.g.sample(rows), gather(groups, kept)
	}
	grouped := stats.Grouped{Labels: sm.labels, Predicted: sm.models[0].predicted, Groups: groups, Weights: sm.weights}
	if c.m.name == "calibration_by_group" {
		grouped.Scores = sm.models[0].scores
	}
	if c.m.name == "demographic_parity" { // parity of decisions needs no labels
		grouped.Labels = make([]int32, sm.n)
	}
	if grouped.Predicted == nil {
		grouped.Predicted = make([]int32, sm.n)
	}
	by, err := grouped.ByGroup()
	if err != nil {
		return judgement{}, sm.explained(err, c.m)
	}
	d := c.s.design(sm, (1+c.s.level())/2)
	around, err := grouped.FairnessInterval(c.fairness(), d)
	if err != nil {
		return judgement{}, sm.explained(err, c.m)
	}
	rows := int64(sm.n)
	f.Rows = &rows
	f.Note = joined(c.groupWords(by, column.names), few)
	if math.IsNaN(around.Value) {
		f.Verdict, f.Shown = Inconclusive, "no value: fewer than two groups have this rate"
		return judgement{f, math.NaN()}, nil
	}
	f.Value, f.Verdict, f.Shown = finite(around.Value), c.r.within(around.Value), c.r.shown(around.Value)
	j := judgement{f, math.NaN()}
	se := (around.Upper - around.Lower) / 2 / c.s.quantile()
	c.surround(&j, around.Value, c.m.cut(bounds{around.Lower, around.Upper, se}))
	return j, nil
}

// largeGroups are the rows of groups that are judged, and words about those that are not.
func (c quality) largeGroups(groups []int32, names int) (rows []int32, few string) {
	count := make([]int64, names+1)
	for _, g := range groups {
		count[g+1]++
	}
	small := 0
	for _, n := range count[1:] {
		if n > 0 && n < c.r.MinRows {
			small++
		}
	}
	rows = make([]int32, 0, len(groups))
	for i, g := range groups {
		if g >= 0 && count[g+1] >= c.r.MinRows {
			rows = append(rows, int32(i))
		}
	}
	var words []string
	if count[0] > 0 {
		words = append(words, thousands(count[0])+" rows have no "+c.r.Group)
	}
	if small > 0 {
		words = append(words, fmt.Sprintf("%d groups have fewer than %s rows and are left out", small, thousands(c.r.MinRows)))
	}
	return rows, strings.Join(words, "; ")
}

// fairness is the name that the numerics have for the measure.
func (c quality) fairness() stats.FairnessMeasure {
	ratio := c.r.Stat == "ratio"
	switch c.m.name {
	case "demographic_parity":
		if ratio {
			return stats.DemographicParityRatio
		}
		return stats.DemographicParityDifference
	case "equalized_odds":
		if ratio {
			return stats.EqualizedOddsRatio
		}
		return stats.EqualizedOddsDifference
	case "equal_opportunity":
		if ratio {
			return stats.EqualOpportunityRatio
		}
		return stats.EqualOpportunityDifference
	case "predictive_parity":
		if ratio {
			return stats.PredictiveParityRatio
		}
		return stats.PredictiveParityDifference
	}
	return stats.CalibrationDifference
}

// rates are what the measure compares between groups, and how they are called.
func (c quality) rates() map[string]func(stats.GroupCounts) float64 {
	switch c.m.name {
	case "demographic_parity":
		return map[string]func(stats.GroupCounts) float64{"selected": func(g stats.GroupCounts) float64 { return g.SelectionRate() }}
	case "equalized_odds":
		return map[string]func(stats.GroupCounts) float64{
			"false positives": func(g stats.GroupCounts) float64 { return g.FalsePositiveRate() },
			"true positives":  func(g stats.GroupCounts) float64 { return g.Recall() }}
	case "equal_opportunity":
		return map[string]func(stats.GroupCounts) float64{"true positives": func(g stats.GroupCounts) float64 { return g.Recall() }}
	case "predictive_parity":
		return map[string]func(stats.GroupCounts) float64{"precision": func(g stats.GroupCounts) float64 { return g.Precision() }}
	}
	return map[string]func(stats.GroupCounts) float64{"ece": func(g stats.GroupCounts) float64 { return g.ECE }}
}

// groupWords names the groups with the smallest and the largest rate: "selected: F 0.312 (1,200 rows), M 0.455 (900 rows)".
func (c quality) groupWords(by []stats.GroupCounts, names []string) string {
	var all []string
	rates := c.rates()
	for _, name := range []string{"selected", "true positives", "false positives", "precision", "ece"} {
		rate := rates[name]
		if rate == nil {
			continue
		}
		known := slices.DeleteFunc(slices.Clone(by), func(g stats.GroupCounts) bool { return math.IsNaN(rate(g)) })
		if len(known) < 2 {
			continue
		}
		words := func(g stats.GroupCounts) string {
			return fmt.Sprintf("%s %s (%s rows)", names[g.Group], fixedDigits(rate(g), 3), thousands(int64(g.Rows)))
		}
		less := func(a, b stats.GroupCounts) int { return cmp.Compare(rate(a), rate(b)) }
		all = append(all, name+": "+words(slices.MinFunc(known, less))+", "+words(slices.MaxFunc(known, less)))
	}
	return strings.Join(all, "; ")
}
