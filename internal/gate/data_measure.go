package gate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"mlx/internal/dataset"
)

// dataMeasures are the measures of a whole table.
func dataMeasures() []string {
	return []string{"rows", "columns", "freshness", "duplicates", "schema", "null_rows"}
}

// dataMeasure makes the check of a measure of a whole table.
func (s *session) dataMeasure(r Rule) (Check, error) {
	allowed := []string{"min", "max", "table"}
	plan := planRows
	switch r.Name {
	case "rows":
		allowed = append(allowed, "where", "reference")
	case "columns":
		plan = planColumns
	case "freshness":
		allowed, plan = append(allowed, "where", "columns"), planFreshness
	case "duplicates":
		allowed, plan = append(allowed, "where", "columns"), planDuplicates
	case "null_rows":
		allowed, plan = append(allowed, "where", "columns"), planNullRows
	case "schema":
		allowed, plan = []string{"table", "schema", "columns"}, planSchema
	}
	if err := s.only(r, allowed...); err != nil {
		return nil, err
	}
	needsLimit := r.Name == "columns" || r.Name == "freshness" || r.Name == "rows" && r.Reference == ""
	if needsLimit && r.Min == nil && r.Max == nil {
		return nil, s.wrong(r, "%s has no limit", r.quoted())
	}
	return s.onTable(r, plan), nil
}

// countJudge counts the rows that a filter selects.
type countJudge struct {
	rule      Rule
	filter    int
	n         int64
	reference *int64
}

// planRows counts rows. With a reference it is the ratio to the number of rows there.
func planRows(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	filter, err := f.filter(r)
	if err != nil {
		return nil, err
	}
	j := &countJudge{rule: r, filter: filter}
	if r.Reference == "" {
		return []dataJudge{j}, nil
	}
	other, err := f.settled(ctx, r.Reference)
	if err != nil {
		return nil, err
	}
	n, known := other.Rows()
	if !known {
		err = dataset.Fold(ctx, other.Table, dataset.Request{Columns: []string{}}, dataset.Folding[struct{}]{
			Part:  func(*dataset.Batch) (struct{}, error) { return struct{}{}, nil },
			Merge: func(at dataset.Span, _ struct{}) error { n = at.Seen + int64(at.Rows); return nil },
			Start: func() { n = 0 },
		})
	}
	j.reference = &n
	return []dataJudge{j}, err
}

func (j *countJudge) part(b *dataBatch) (any, error) {
	n := b.Rows
	if j.filter >= 0 {
		n = b.filters[j.filter].Count()
	}
	return n, nil
}

func (j *countJudge) merge(_ dataset.Span, part any) error {
	j.n += int64(part.(int))
	return nil
}

func (j *countJudge) finish(context.Context) ([]Finding, error) {
	if j.reference == nil {
		f := j.rule.judged(float64(j.n))
		f.Shown, f.Rows = dataCount(j.n, "row"), &j.n
		return []Finding{f}, nil
	}
	r, reference := j.rule, float64(*j.reference)
	if r.Min == nil && r.Max == nil {
		one := &Bound{Value: 1, Text: "100%"}
		r.Min, r.Max = one, one
	}
	f := r.judged(float64(j.n) / reference)
	f.Baseline, f.Rows = &reference, &j.n
	f.Shown = fmt.Sprintf("%s, %s in %s", dataCount(j.n, "row"), thousands(*j.reference), r.Reference)
	if f.Value != nil {
		f.Shown += " (" + dataPercent(*f.Value, r) + ")"
	}
	if f.Needs += " of it"; r.Min == r.Max {
		f.Needs = "as many"
	}
	return []Finding{f}, nil
}

func dataPercent(v float64, r Rule) string {
	if v > 1 {
		return Rule{Min: scaled(r.Min), Max: scaled(r.Max)}.shown(v*100) + "%"
	}
	return dataShare(v, r.Min.orZero(), r.Max.orZero())
}

func scaled(b *Bound) *Bound {
	if b == nil {
		return nil
	}
	return &Bound{Value: b.Value * 100}
}

// fixedJudge has its finding without the rows.
type fixedJudge struct{ finding func() Finding }

func (fixedJudge) part(*dataBatch) (any, error)                { return nil, nil }
func (fixedJudge) merge(dataset.Span, any) error               { return nil }
func (j fixedJudge) finish(context.Context) ([]Finding, error) { return []Finding{j.finding()}, nil }

func planColumns(_ context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	return []dataJudge{fixedJudge{func() Finding {
		found := r.judged(float64(len(f.schema)))
		found.Shown = dataCount(int64(len(f.schema)), "column")
		return found
	}}}, nil
}

// planNullRows counts the rows in which every column, or every one of some, is missing.
func planNullRows(_ context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	names := r.Columns
	if names == nil {
		names = f.schema.Names()
	}
	var columns []int
	for _, name := range names {
		at, err := f.column(r, name)
		if err != nil {
			return nil, err
		}
		columns = append(columns, at)
	}
	j, err := f.newRowJudge(r, r.Called(), columns)
	if err != nil {
		return nil, err
	}
	j.is, j.needs = "empty", "no row without a value"
	j.mark = func(b *dataBatch, bad, _ dataset.Bits) error {
		dataFill(bad)
		for _, at := range columns {
			for i := range bad {
				if b.Columns[at].Type != dataset.Null {
					bad[i] &= exprWord(b.Columns[at].Missing, i)
				}
			}
		}
		return nil
	}
	return []dataJudge{limitedJudge{j}}, nil
}

// limitedJudge holds the number of bad rows between limits.
type limitedJudge struct{ *rowJudge }

func (j limitedJudge) finish(context.Context) ([]Finding, error) {
	return []Finding{j.limited(float64(j.failing.Count))}, nil
}

// newestJudge finds the newest moment of a column.
type newestJudge struct {
	rule   Rule
	name   string
	at     int
	filter int
	field  dataset.Field
	zone   *time.Location
	now    time.Time
	newest int64
	any    bool
}

// planFreshness holds how long before now the newest moment of a column is. The column is the one of columns:, else the time of the
// table or of the gate.
func planFreshness(_ context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	names := r.Columns
	if names == nil {
		for _, name := range []string{f.meaning.Time, f.session.spec.Time} {
			if name != "" {
				names = []string{name}
				break
			}
		}
	}
	if len(names) != 1 {
		return nil, f.session.wrong(r, "freshness needs one column of times").Hint("columns: [updated_at]   # or time: of the table in mlx.yaml")
	}
	return f.freshness(r, r.Called(), names[0])
}

func (f *dataFrame) freshness(r Rule, title, name string) ([]dataJudge, error) {
	at, err := f.column(r, name)
	if err != nil {
		return nil, err
	}
	filter, err := f.filter(r)
	if err != nil {
		return nil, err
	}
	field := f.schema[f.schema.Index(name)]
	if field.Type != dataset.Date && field.Type != dataset.Time && field.Type != dataset.Null {
		return nil, f.unfit(dataColumn{Field: field, rule: r}, "column %q is %s and holds no times", name, field.Type)
	}
	for _, limit := range []*Bound{r.Min, r.Max} {
		if limit != nil && limit.Unit != "s" {
			return nil, f.session.wrong(r, "%s is no span of time such as 2d", limit.Text)
		}
	}
	zone, err := f.zone(r)
	if err != nil {
		return nil, err
	}
	r.Title = title
	return []dataJudge{&newestJudge{rule: r, name: name, at: at, filter: filter, field: field, zone: zone, now: f.world.Now, newest: math.MinInt64}}, nil
}

// zone is where days begin and naive times are read: what the table says, else the gate, else UTC.
func (f *dataFrame) zone(r Rule) (*time.Location, error) { return f.zoneOf(r, f.meaning) }

func (f *dataFrame) zoneOf(r Rule, m Meaning) (*time.Location, error) {
	for _, name := range []string{m.TimeZone, f.session.spec.TimeZone} {
		if name == "" {
			continue
		}
		zone, err := time.LoadLocation(name)
		if err != nil {
			return nil, f.session.wrong(r, "time zone %q is not known", name)
		}
		return zone, nil
	}
	return time.UTC, nil
}

func (j *newestJudge) part(b *dataBatch) (any, error) {
	c := &b.Columns[j.at]
	newest, found := int64(math.MinInt64), false
	for i, v := range c.Ints {
		if v >= newest && !c.Missing.Has(i) && (j.filter < 0 || b.filters[j.filter].Has(i)) {
			newest, found = v, true
		}
	}
	if !found {
		return nil, nil
	}
	return newest, nil
}

func (j *newestJudge) merge(_ dataset.Span, part any) error {
	if v, ok := part.(int64); ok {
		j.newest, j.any = max(j.newest, v), true
	}
	return nil
}

func (j *newestJudge) finish(context.Context) ([]Finding, error) {
	if !j.any {
		f := j.rule.finding()
		f.Verdict, f.Shown, f.Needs = Inconclusive, "no time in "+j.name, j.needs()
		return []Finding{f}, nil
	}
	newest := dataMoment(j.field, j.newest, j.zone)
	age := j.now.Sub(newest)
	f := j.rule.judged(age.Seconds())
	f.Shown, f.Needs = fmt.Sprintf("%s old, newest %s", dataSpan(age), newest.UTC().Format(time.RFC3339)), j.needs()
	if age < 0 {
		f.Shown = fmt.Sprintf("newest %s, %s from now", newest.UTC().Format(time.RFC3339), dataSpan(-age))
		if j.rule.Min == nil {
			f.Verdict = Fail // time that has not come yet
			f.Note = "the newest time lies in the future; min: -1h would allow an hour of it"
		}
	}
	return []Finding{f}, nil
}

func (j *newestJudge) needs() string {
	if j.rule.Min == nil {
		return j.rule.needs() + " old"
	}
	return j.rule.needs()
}

// dataMoment is the moment that a column of days or times holds: a day begins, and a time without a zone is read, in a zone.
func dataMoment(f dataset.Field, v int64, zone *time.Location) time.Time {
	switch {
	case f.Type == dataset.Date:
		t := time.Unix(v*86400, 0).UTC()
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)
	case f.Naive:
		t := time.Unix(0, v).UTC()
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	}
	return time.Unix(0, v)
}

// dataSpan writes a span as people say it, in at most two units: "3d 4h".
func dataSpan(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	i := slices.IndexFunc(units, func(u struct {
		name string
		size time.Duration
	}) bool {
		return d >= u.size
	})
	if i < 0 {
		return d.Round(time.Millisecond).String()
	}
	text := fmt.Sprintf("%d%s", d/units[i].size, units[i].name)
	if rest := d % units[i].size; i+1 < len(units) && rest >= units[i+1].size {
		text += fmt.Sprintf(" %d%s", rest/units[i+1].size, units[i+1].name)
	}
	return text
}
