package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// leakMeasures find what a model could not know when it predicts, or has seen in training.
func leakMeasures() []string {
	return []string{"shared_rows", "shared_groups", "shared_days", "time_overlap", "available_at"}
}

// leak makes a check of leakage. The table is the one of the check, of the gate, or its predictions; the other one is what the model was
// trained on.
func (s *session) leak(r Rule) (Check, error) {
	allowed := []string{"table", "reference", "columns", "max", "where", "group"}
	if r.Name == "available_at" {
		allowed = []string{"table", "max", "where"}
	}
	if err := s.only(r, allowed...); err != nil {
		return nil, err
	}
	if r.Name == "available_at" {
		return s.onTableElse(r, cmp.Or(s.spec.Train, s.spec.Predictions), planAvailable), nil
	}
	if r.Reference = cmp.Or(r.Reference, s.spec.Train); r.Reference == "" {
		return nil, s.wrong(r, "nothing says what the model was trained on").Hint("train: data/train.parquet   # in the gate")
	}
	r.Table = cmp.Or(r.Table, s.spec.Table, s.spec.Predictions)
	switch r.Name {
	case "shared_rows":
		return s.onTable(r, planSharedRows), nil
	case "shared_groups":
		return s.onTable(r, planSharedGroups), nil
	}
	return s.onTable(r, planSharedTime), nil
}

// planSharedRows counts the rows that the training has as well: by columns:, else by the key of the table, else by all features, else by
// all columns that both tables have.
func planSharedRows(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	names, by := r.Columns, ""
	if len(names) == 0 {
		names = f.meaning.Key
	}
	if len(names) == 0 {
		features, err := f.features(ctx, r)
		if err != nil {
			return nil, err
		}
		other, err := f.settled(ctx, r.Reference)
		if err != nil {
			return nil, err
		}
		theirs := other.Schema()
		both := func(n string) bool { return f.schema.Index(n) >= 0 && theirs.Index(n) >= 0 }
		by = "all features"
		if len(features) == 0 {
			features, by = f.schema.Names(), "all columns of both"
		}
		names = slices.DeleteFunc(slices.Clone(features), func(n string) bool { return !both(n) })
		if len(names) == 0 {
			return nil, f.session.wrong(r, "%s and %s have no column in common", f.name(), r.Reference)
		}
	}
	j, err := f.join(ctx, r, joinOf{title: r.Called(), table: r.Reference, ours: names, theirs: names})
	if err != nil {
		return nil, err
	}
	j.shared, j.missing, j.store.narrow = true, true, false // an integer has no word for what is missing
	j.rows.is, j.rows.needs = "in "+r.Reference, "none in "+r.Reference
	if j.rows.note = "rows are the same by " + list(names); by != "" {
		j.rows.note = "rows are the same by " + by + " (" + list(names) + ")"
	}
	return []dataJudge{sharedJudge{j}}, nil
}

// sharedJudge holds how many rows are shared, or which share.
type sharedJudge struct{ *joinJudge }

func (j sharedJudge) finish(ctx context.Context) ([]Finding, error) {
	if _, err := j.joinJudge.finish(ctx); err != nil {
		return nil, err
	}
	return []Finding{j.rows.limited(float64(j.rows.failing.Count))}, nil
}

// planSharedGroups counts the groups, such as users, that both tables have.
func planSharedGroups(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	names := r.Columns
	for _, name := range []string{r.Group, f.session.spec.Cluster} {
		if len(names) == 0 && name != "" {
			names = []string{name}
		}
	}
	if len(names) == 0 {
		return nil, f.session.wrong(r, "nothing says what a group is").Hint("columns: [user_id]   # or cluster: of the gate")
	}
	j, err := f.join(ctx, r, joinOf{title: r.Called(), table: r.Reference, ours: names, theirs: names})
	if err != nil {
		return nil, err
	}
	j.shared, j.distinct = true, new(int64)
	j.rows.is, j.rows.needs = "of a group in "+r.Reference, "no "+strings.Join(names, ", ")+" in "+r.Reference
	return []dataJudge{groupsJudge{j, names}}, nil
}

// groupsJudge holds how many groups are shared.
type groupsJudge struct {
	*joinJudge
	names []string
}

func (j groupsJudge) finish(ctx context.Context) ([]Finding, error) {
	if _, err := j.joinJudge.finish(ctx); err != nil {
		return nil, err
	}
	n := *j.distinct
	value := float64(n)
	if max := j.rows.rule.Max; max != nil && max.Unit == "share" {
		value = float64(j.rows.failing.Count)
	}
	f := j.rows.limited(value)
	if n > 0 {
		f.Shown = fmt.Sprintf("%s of %s in both: %s", dataCount(n, "value"), strings.Join(j.names, ", "), f.Shown)
	}
	return []Finding{f}, nil
}

// features are the columns that the model reads: what the gate says, else its file of features, else what the model says of itself.
func (f *dataFrame) features(ctx context.Context, r Rule) ([]string, error) {
	spec := f.session.spec
	switch {
	case spec.Features != nil:
		return spec.Features, nil
	case spec.FeaturesFile != "" && f.world.File != nil:
		text, err := f.world.File(ctx, spec.FeaturesFile)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", spec.Name, err)
		}
		names, ok := leakNames(text)
		if !ok {
			return nil, f.session.wrong(r, "%s is no list of columns", spec.FeaturesFile).Hint("one name on each line, or a JSON array of names")
		}
		return names, nil
	case f.world.Features != nil:
		names, err := f.world.Features(ctx)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", spec.Name, err)
		}
		return names, nil
	}
	return nil, nil
}

// leakNames reads a list of names: JSON, or one on each line.
func leakNames(text []byte) ([]string, bool) {
	var names []string
	if trimmed := strings.TrimSpace(string(text)); strings.HasPrefix(trimmed, "[") {
		if err := json.Unmarshal([]byte(trimmed), &names); err != nil {
			return nil, false
		}
		return names, len(names) > 0
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- "))
		if line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return names, len(names) > 0
}

// timeColumn is the column that says when a row happened.
func (f *dataFrame) timeColumn(r Rule) (string, error) {
	if len(r.Columns) == 1 {
		return r.Columns[0], nil
	}
	if name := cmp.Or(f.meaning.Time, f.session.spec.Time); name != "" {
		return name, nil
	}
	return "", f.session.wrong(r, "nothing says when a row happened").Hint("columns: [time_hour]   # or time: of the gate, or of the table in mlx.yaml")
}

// moments checks that a column holds days or times.
func (f *dataFrame) moments(r Rule, field dataset.Field) error {
	if field.Type == dataset.Date || field.Type == dataset.Time || field.Type == dataset.Null {
		return nil
	}
	return f.unfit(dataColumn{Field: field, rule: r}, "column %q is %s and holds no times", field.Name, field.Type)
}
