package gate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// dataStats are the statistics of a column, by how they are computed. Numbers that are missing, NaN or infinite are left out of all but
// the shares that count them.
func dataStats() map[string][]string {
	return map[string][]string{
		"moments":  {"mean", "std", "var", "sum", "min", "max", "range", "skew", "kurtosis", "max_z"},
		"shares":   {"nulls", "null_share", "nan_share", "inf_share", "zero_share", "negative_share"},
		"lengths":  {"min_length", "max_length", "mean_length"},
		"keys":     {"distinct", "distinct_share", "mode_share", "coverage"},
		"quantile": {"median", "iqr", "q0.5"},
		"distance": {"psi", "js", "kl", "tvd", "hellinger", "chi2", "chi2_p", "ks", "ks_p", "wasserstein", "wasserstein_normed"},
		"time":     {"freshness"},
	}
}

// statKind is how a statistic is computed; empty when there is no such one.
func statKind(name string) string {
	if q, ok := statQuantile(name); ok && q >= 0 && q <= 1 {
		return "quantile"
	}
	for kind, names := range dataStats() {
		if slices.Contains(names, name) {
			return kind
		}
	}
	return ""
}

// statQuantile reads q0.95.
func statQuantile(name string) (float64, bool) {
	digits, ok := strings.CutPrefix(name, "q")
	if !ok {
		return 0, false
	}
	q, err := strconv.ParseFloat(digits, 64)
	return q, err == nil && !math.IsNaN(q)
}

// statistic makes the check of a statistic of a column.
func (s *session) statistic(r Rule) (Check, error) {
	kind := statKind(r.Stat)
	allowed := []string{"stat", "min", "max", "table", "where", "min_rows"}
	switch kind {
	case "":
		var all []string
		for _, names := range dataStats() {
			all = append(all, names...)
		}
		slices.Sort(all)
		err := s.wrong(r, "there is no statistic %q", r.Stat)
		if near := fault.Nearest(r.Stat, all); near != "" {
			return nil, err.Hint("did you mean %q?", near)
		}
		return nil, err.Hint("statistics are %s and quantiles such as q0.95", strings.Join(all, ", "))
	case "distance":
		allowed = append(allowed, "reference", "bins")
		if r.Reference == "" {
			return nil, s.wrong(r, "%s needs a table to compare with", r.Stat).Hint("reference: data/january.parquet")
		}
	case "keys":
		if r.Stat == "coverage" {
			allowed = append(allowed, "in")
			if len(r.In) == 0 {
				return nil, s.wrong(r, "coverage needs the values that should appear").Hint("in: [EWR, JFK, LGA]")
			}
		}
	}
	if err := s.only(r, allowed...); err != nil {
		return nil, err
	}
	if r.Min == nil && r.Max == nil {
		return nil, s.wrong(r, "%s of %s has no limit", r.Stat, r.quoted())
	}
	return s.onTable(r, planStat), nil
}

func planStat(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	columns, err := f.matching(r)
	if err != nil {
		return nil, err
	}
	var judges []dataJudge
	for _, c := range columns {
		if r.Stat == "freshness" {
			js, err := f.freshness(r, c.title, c.Name)
			if err != nil {
				return nil, err
			}
			judges = append(judges, js...)
			continue
		}
		j, err := f.stat(ctx, c)
		if err != nil {
			return nil, err
		}
		judges = append(judges, j)
	}
	return judges, nil
}

// stat makes the judge of one statistic of one column.
func (f *dataFrame) stat(ctx context.Context, c dataColumn) (dataJudge, error) {
	filter, err := f.filter(c.rule)
	if err != nil {
		return nil, err
	}
	base := statBase{frame: f, column: c, filter: filter}
	kind := statKind(c.rule.Stat)
	if kind == "moments" || kind == "quantile" {
		if !c.Type.Ordered() && c.Type != dataset.Bool && c.Type != dataset.Null {
			return nil, f.unfit(c, "column %q is %s and has no %s", c.Name, c.Type, c.rule.Stat)
		}
		moments := c.Type == dataset.Date || c.Type == dataset.Time
		for _, limit := range []*Bound{c.rule.Min, c.rule.Max} {
			if limit != nil && (limit.Unit == "time") != (moments && statIsValue(c.rule.Stat)) {
				return nil, f.unfit(c, "column %q is %s, and %s is no limit for its %s", c.Name, c.Type, limit.Text, c.rule.Stat)
			}
		}
	}
	switch kind {
	case "moments":
		return &momentsJudge{statBase: base}, nil
	case "shares":
		return &sharesJudge{statBase: base}, nil
	case "lengths":
		return &lengthsJudge{statBase: base}, nil
	case "keys":
		return f.distinct(base)
	case "quantile":
		return &quantileJudge{statBase: base, values: newSpill(f.world.Temp, 1)}, nil
	}
	return f.distance(ctx, base)
}

// statIsValue says whether a statistic is a value of the column, so that one of times is a time.
func statIsValue(stat string) bool {
	return slices.Contains([]string{"min", "max", "mean", "median"}, stat) || strings.HasPrefix(stat, "q")
}

// statBase is what the judges of statistics share.
type statBase struct {
	frame  *dataFrame
	column dataColumn
	filter int
	judged int64
	left   int64 // NaN and infinities that were left out
}

// skip are the rows that are missing or not selected.
func (s *statBase) skip(b *dataBatch, missing bool) dataset.Bits {
	skip := b.bits()
	if missing {
		dataUnion(skip, b.Columns[s.column.at].Missing)
	}
	if s.filter >= 0 {
		for i, w := range b.filters[s.filter] {
			skip[i] |= ^w
		}
	}
	dataOnly(skip, b.Rows)
	return skip
}

// numbers are the finite values of the judged rows, in seconds for days and times, and how many were left out.
func (s *statBase) numbers(b *dataBatch) (values []float64, left int64) {
	c := &b.Columns[s.column.at]
	skip := s.skip(b, true)
	values = b.floats()[:0]
	empty := skip.Count() == 0
	for i := range b.Rows {
		if !empty && skip.Has(i) {
			continue
		}
		var v float64
		switch c.Type {
		case dataset.Float:
			v = c.Floats[i]
		case dataset.Int, dataset.Bool:
			v = float64(c.Ints[i])
		case dataset.Date:
			v = float64(c.Ints[i]) * 86400
		default:
			v = c.Number(i)
		}
		if v-v != 0 {
			left++
			continue
		}
		values = append(values, v)
	}
	return values, left
}

// finding is the finding of the value of a statistic. Without a row, or with too few, it cannot tell.
func (s *statBase) finding(value float64) Finding {
	r := s.column.rule
	f := r.judged(value)
	f.Name, f.Rows = s.column.title, &s.judged
	f.Shown = r.Stat + " " + s.shown(value)
	if r.Where != "" {
		f.Needs += ", where " + r.Where
	}
	if s.left > 0 {
		f.Note = fmt.Sprintf("%s NaN or infinite and left out", dataCount(s.left, "value")+" "+dataAre(s.left))
	}
	switch {
	case s.judged == 0:
		f.Verdict, f.Value, f.Shown = Inconclusive, nil, "no value to judge"
	case s.judged < r.MinRows:
		f.Verdict, f.RowsNeeded = Inconclusive, &r.MinRows
	}
	return f
}

// shown writes the value in the unit of the column and of the limits.
func (s *statBase) shown(v float64) string {
	r := s.column.rule
	times := s.column.Type == dataset.Date || s.column.Type == dataset.Time
	share := r.Min != nil && r.Min.Unit == "share" || r.Max != nil && r.Max.Unit == "share"
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
	case times && statIsValue(r.Stat):
		return time.Unix(0, int64(v*1e9)).UTC().Format(time.RFC3339)
	case share && v >= 0 && v <= 1:
		return dataShare(v, r.Min.orZero(), r.Max.orZero())
	}
	return r.shown(v)
}
