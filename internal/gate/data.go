package gate

import (
	"cmp"
	"context"
	"path"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// dataCheck is a check that is judged while its table is read: the table is read once for all checks of the gate on it.
type dataCheck struct {
	pass *dataPass
	at   int // in pass.rules
}

// Check reads the table if no other check has, and returns what was found for this one.
func (c dataCheck) Check(ctx context.Context, s Subject) ([]Finding, error) {
	if err := c.pass.read(ctx, s); err != nil {
		return nil, err
	}
	r := c.pass.rules[c.at]
	return r.findings, r.err
}

// dataJudge judges one thing about a table while it is read.
type dataJudge interface {
	part(b *dataBatch) (any, error)                // of one batch, on several goroutines at once
	merge(at dataset.Span, part any) error         // in the order of the rows
	finish(ctx context.Context) ([]Finding, error) // after the last row
}

// dataPlan makes the judges of a rule for a table whose types are known as far as the frame says.
type dataPlan func(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error)

// dataRule is a rule on its way through a pass.
type dataRule struct {
	rule     Rule
	plan     dataPlan
	judges   []dataJudge
	findings []Finding
	err      error
}

// onTable puts a rule among those that are judged in one pass over the table that it names, else over the one of the gate.
func (s *session) onTable(r Rule, plan dataPlan) Check { return s.onTableElse(r, "", plan) }

// onTableElse is onTable with a table for gates that name none and are for none.
func (s *session) onTableElse(r Rule, otherwise string, plan dataPlan) Check {
	key := [2]string{cmp.Or(r.Table, s.spec.Table), otherwise}
	if s.passes == nil {
		s.passes = make(map[[2]string]*dataPass)
	}
	pass := s.passes[key]
	if pass == nil {
		pass = &dataPass{session: s, where: key[0], otherwise: otherwise}
		s.passes[key] = pass
	}
	pass.rules = append(pass.rules, &dataRule{rule: r, plan: plan})
	return dataCheck{pass: pass, at: len(pass.rules) - 1}
}

// column makes the check of one column, or of all that a pattern names.
func (s *session) column(r Rule) (Check, error) {
	if r.Stat != "" {
		return s.statistic(r)
	}
	err := s.only(r, "type", "nulls", "min", "max", "in", "not_in", "regex", "not_regex", "min_length", "max_length", "unique", "order",
		"references", "mostly", "columns", "table", "where", "min_rows")
	if err != nil {
		return nil, err
	}
	if len(r.columnLimits()) == 0 {
		return nil, s.wrong(r, "%s has no limit", r.quoted()).Hint("nulls: 0%%, min: 0, in: [a, b], unique: true, stat: mean, ...")
	}
	if r.Columns != nil && !r.Unique && r.References == "" {
		return nil, s.wrong(r, "columns: has no meaning for %s without unique or references", r.subject())
	}
	return s.onTable(r, planColumn), nil
}

// columnLimit is one limit of a column and how it is judged.
type columnLimit struct {
	name string
	set  bool
	plan func(ctx context.Context, f *dataFrame, c dataColumn) (dataJudge, error)
}

func (r Rule) columnLimits() []columnLimit {
	all := []columnLimit{
		{"type", r.Type != "", planType},
		{"nulls", r.Nulls != nil, planNulls},
		{"min and max", r.Min != nil || r.Max != nil, planRange},
		{"in", r.In != nil, planIn},
		{"not_in", r.NotIn != nil, planNotIn},
		{"regex", r.Regex != "", planRegex},
		{"not_regex", r.NotRegex != "", planNotRegex},
		{"min_length and max_length", r.MinLength != nil || r.MaxLength != nil, planLength},
		{"order", r.Order != "", planOrder},
		{"unique", r.Unique, planUnique},
		{"references", r.References != "", planReferences},
	}
	var set []columnLimit
	for _, l := range all {
		if l.set {
			set = append(set, l)
		}
	}
	return set
}

// dataColumn is a column that a rule names, in a table that is read.
type dataColumn struct {
	dataset.Field
	rule  Rule
	title string // of the findings
	at    int    // in a batch
}

// planColumn makes the judges of every limit for every column that the rule names.
func planColumn(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	columns, err := f.matching(r)
	if err != nil {
		return nil, err
	}
	var judges []dataJudge
	for _, c := range columns {
		for _, limit := range r.columnLimits() {
			j, err := limit.plan(ctx, f, c)
			if err != nil {
				return nil, err
			}
			judges = append(judges, j)
		}
	}
	return judges, nil
}

// matching finds the columns that the subject of a rule names. A name that the table has is that column, whatever letters are in it.
func (f *dataFrame) matching(r Rule) ([]dataColumn, error) {
	names := []string{r.Name}
	if f.schema.Index(r.Name) < 0 && strings.ContainsAny(r.Name, "*?[") {
		names = nil
		for _, field := range f.schema {
			fits, err := path.Match(r.Name, field.Name)
			if err != nil {
				return nil, f.session.wrong(r, "%q is no pattern of names", r.Name)
			}
			if fits {
				names = append(names, field.Name)
			}
		}
		if len(names) == 0 {
			return nil, f.session.wrong(r, "no column of %s is called like %q", f.name(), r.Name).
				Hint("its columns are %s", list(f.schema.Names()))
		}
	}
	var columns []dataColumn
	for _, name := range names {
		at, err := f.column(r, name)
		if err != nil {
			return nil, err
		}
		c := dataColumn{rule: r, title: r.Called(), at: at, Field: f.schema[f.schema.Index(name)]}
		if name != r.Name {
			c.title = strings.TrimSuffix(c.title, r.Name) + name
			if r.Title != "" {
				c.title = r.Title + ", " + name
			}
		}
		columns = append(columns, c)
	}
	return columns, nil
}

// noColumn is the error for a column that a rule names and a table lacks.
func (s *session) noColumn(r Rule, table string, schema dataset.Schema, name string) error {
	err := fault.New(fault.NotFound, "cannot judge %s: %s has no column %q (%s)", s.spec.Name, table, name, place(r.At)).In(r.At)
	if near := fault.Nearest(name, schema.Names()); near != "" {
		return err.Hint("did you mean %q?", near)
	}
	return err.Hint("its columns are %s", list(schema.Names()))
}

// unfit is the error for a limit that a column of its type cannot be held against. It names the value that made a text file's column
// what it is.
func (f *dataFrame) unfit(c dataColumn, format string, args ...any) error {
	err := f.session.wrong(c.rule, format, args...)
	if c.Why == nil {
		return err
	}
	value := "a value"
	if !f.private(c.Name) {
		value = dataQuote(c.Why.Value)
	}
	return err.Hint("column %q is %s because of %s in %s line %d", c.Name, c.Type, value, c.Why.File, c.Why.Line)
}
