package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mlx/internal/dataset"
)

// sharedTime compares the days, or the span of time, of two tables.
type sharedTime struct {
	rows   *rowJudge
	at     int
	zone   *time.Location
	other  Table
	name   string
	theirs dataset.Field
	ours   timeSpan
}

// timeSpan is which days appear, how often, and the first and the last moment.
type timeSpan struct {
	field          dataset.Field
	zone           *time.Location
	days           map[int64]int64 // days since 1970 in the zone, and their rows
	oldest, newest time.Time
}

// planSharedTime is for shared_days: days of the zone in both tables; and time_overlap: training goes on after the first row of the test.
func planSharedTime(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	name, err := f.timeColumn(r)
	if err != nil {
		return nil, err
	}
	at, err := f.column(r, name)
	if err != nil {
		return nil, err
	}
	field := f.schema[f.schema.Index(name)]
	if err := f.moments(r, field); err != nil {
		return nil, err
	}
	zone, err := f.zone(r)
	if err != nil {
		return nil, err
	}
	other, err := f.settled(ctx, r.Reference)
	if err != nil {
		return nil, err
	}
	theirs := other.Schema()
	if theirs.Index(name) < 0 {
		return nil, f.session.noColumn(r, r.Reference, theirs, name)
	}
	j := &sharedTime{at: at, zone: zone, other: other, name: name, theirs: theirs[theirs.Index(name)], ours: newTimeSpan(field, zone)}
	if err := f.moments(r, j.theirs); err != nil {
		return nil, err
	}
	j.rows, err = f.newRowJudge(r, r.Called(), []int{at})
	return []dataJudge{j}, err
}

func newTimeSpan(f dataset.Field, zone *time.Location) timeSpan {
	return timeSpan{field: f, zone: zone, days: make(map[int64]int64)}
}

// leakDay is the day of a moment where days begin in a zone.
func leakDay(t time.Time) int64 {
	_, offset := t.Zone()
	seconds := t.Unix() + int64(offset)
	day := seconds / 86400
	if seconds%86400 < 0 {
		day--
	}
	return day
}

// add counts the moments of a batch. The day of the moment before is remembered: rows of one hour mostly stand together.
func (s *timeSpan) add(b *dataset.Batch, at int, selected dataset.Bits) {
	c := &b.Columns[at]
	last, day := int64(0), int64(0)
	for i, v := range c.Ints {
		if c.Missing.Has(i) || selected != nil && !selected.Has(i) {
			continue
		}
		if v != last || len(s.days) == 0 {
			t := dataMoment(s.field, v, s.zone).In(s.zone)
			last, day = v, leakDay(t)
			s.reach(t, t)
		}
		s.days[day]++
	}
}

// reach widens the span, which is empty before the first day is counted.
func (s *timeSpan) reach(oldest, newest time.Time) {
	if len(s.days) == 0 || oldest.Before(s.oldest) {
		s.oldest = oldest
	}
	if len(s.days) == 0 || newest.After(s.newest) {
		s.newest = newest
	}
}

func (s *timeSpan) merge(o timeSpan) {
	if len(o.days) == 0 {
		return
	}
	s.reach(o.oldest, o.newest)
	for day, n := range o.days {
		s.days[day] += n
	}
}

func (j *sharedTime) part(b *dataBatch) (any, error) {
	s := newTimeSpan(j.ours.field, j.zone)
	var selected dataset.Bits
	if j.rows.filter >= 0 {
		selected = b.filters[j.rows.filter]
	}
	s.add(b.Batch, j.at, selected)
	return s, nil
}

func (j *sharedTime) merge(_ dataset.Span, part any) error {
	j.ours.merge(part.(timeSpan))
	return nil
}

func (j *sharedTime) finish(ctx context.Context) ([]Finding, error) {
	theirs := newTimeSpan(j.theirs, j.zone)
	err := dataset.Fold(ctx, j.other.Table, dataset.Request{Columns: []string{j.name}}, dataset.Folding[timeSpan]{
		Part: func(b *dataset.Batch) (timeSpan, error) {
			s := newTimeSpan(j.theirs, j.zone)
			s.add(b, 0, nil)
			return s, nil
		},
		Merge: func(_ dataset.Span, s timeSpan) error { theirs.merge(s); return nil },
	})
	if err != nil {
		return nil, err
	}
	f := j.rows.rule.finding()
	f.Note = "days begin in " + j.zone.String()
	if len(theirs.days) == 0 || len(j.ours.days) == 0 {
		f.Verdict, f.Shown, f.Needs = Inconclusive, "no time in "+j.name, "times in both tables"
		return []Finding{f}, nil
	}
	if j.rows.rule.Name == "time_overlap" {
		return []Finding{j.overlap(f, theirs)}, nil
	}
	return []Finding{j.shared(f, theirs)}, nil
}

// overlap holds that training ends before the first row that is judged.
func (j *sharedTime) overlap(f Finding, theirs timeSpan) Finding {
	write := func(at time.Time) string { return at.In(j.zone).Format(time.RFC3339) }
	f.Shown = fmt.Sprintf("training ends %s, the test begins %s", write(theirs.newest), write(j.ours.oldest))
	f.Needs = "training ends before"
	if f.Verdict = Pass; !theirs.newest.Before(j.ours.oldest) {
		f.Verdict = Fail
	}
	return f
}

// shared counts the days that both tables have.
func (j *sharedTime) shared(f Finding, theirs timeSpan) Finding {
	var days []int64
	var rows, all int64
	for day, n := range j.ours.days {
		if all += n; theirs.days[day] > 0 {
			days, rows = append(days, day), rows+n
		}
	}
	slices.Sort(days)
	n := float64(len(days))
	f.Value, f.Rows, f.Verdict, f.Needs = &n, &all, Pass, "no day in both"
	f.Shown = fmt.Sprintf("%s, none in %s", dataCount(int64(len(j.ours.days)), "day"), j.rows.rule.Reference)
	if len(days) > 0 {
		f.Verdict = Fail
		f.Shown = fmt.Sprintf("%s of %d in both, with %s of %s: %s", dataCount(int64(len(days)), "day"), len(j.ours.days), thousands(rows),
			dataCount(all, "row"), leakDays(days))
	}
	if limit := j.rows.rule.Max; limit != nil {
		judged := j.rows.rule.judged(n)
		f.Verdict, f.Needs = judged.Verdict, judged.Needs+" in both"
	}
	return f
}

// leakDays writes the first days, and the last when there are many.
func leakDays(days []int64) string {
	write := func(d int64) string { return time.Unix(d*86400, 0).UTC().Format(time.DateOnly) }
	var words []string
	for _, d := range days[:min(len(days), 3)] {
		words = append(words, write(d))
	}
	if len(days) > 4 {
		words = append(words, "...")
	}
	if len(days) > 3 {
		words = append(words, write(days[len(days)-1]))
	}
	return strings.Join(words, ", ")
}

// leakSpan reads a span such as -2h, 0s or 7d.
func leakSpan(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		return d * 24, err == nil && d.Abs() < 1e6*time.Hour
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// leakDeclared is the columns of a table that say when they are known, sorted.
func leakDeclared(m Meaning) []string {
	names := slices.Sorted(maps.Keys(m.Columns))
	return slices.DeleteFunc(names, func(n string) bool { return m.Columns[n].AvailableAt == "" })
}
