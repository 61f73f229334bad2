package drift

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
)

// Quality is how good the predictions of a window were, as far as their outcomes are known.
type Quality struct {
	Monitor string
	Rules   []gate.Rule // none: the usual measures are shown and not judged

	ID, Score, Class    string // columns, as in Predictions
	Model               string // column that names the version that made a prediction; empty: there is none
	Positive            any
	Threshold           *float64
	Cluster, Time, Zone string
	Level               float64
	Correction          string // of slices; empty: holm
	Seed                int64
	MinRows             int64     // of labelled predictions, fewer cannot be judged; 0: 30
	Current             *Labelled // of the window
	Reference           *Labelled // of a time when the model was good; nil: there is none
	At                  fault.Position
	Now                 time.Time
	Temp                string
	reference           bool
}

// MinLabelled is how many labelled predictions are judged at least where nothing is said.
const MinLabelled = 30

// Findings judges the labelled predictions of the window: every rule, and without rules the usual measures, which are only shown; and
// whether the scores are still calibrated.
func (q Quality) Findings(ctx context.Context) ([]gate.Finding, error) {
	if q.MinRows == 0 {
		q.MinRows = MinLabelled
	}
	rows, err := q.load(ctx, q.Current)
	if err != nil {
		return nil, err
	}
	rules := q.Rules
	if len(rules) == 0 {
		rules = usual(rows.task, q.At)
		if q.Model != "" && q.Current.Table.Schema().Index(q.Model) >= 0 {
			rules[0].Slices = []string{q.Model} // each version on its own
		}
	}
	var all []gate.Finding
	if q.Current.Labelled < q.MinRows {
		for _, r := range rules {
			all = append(all, q.tooFew(r))
		}
	} else if all, err = q.judged(ctx, rules); err != nil {
		return nil, err
	}
	calibration, err := q.calibration(ctx, rows)
	if err != nil {
		return nil, err
	}
	all = append(all, calibration...)
	for i := range all {
		all[i].Note = joined(all[i].Note, q.missing())
		break // once is enough
	}
	return all, nil
}

// usual are the rules without limits for a kind of predictions.
func usual(t task, at fault.Position) []gate.Rule {
	names := map[task][]string{ofTwo: {"accuracy", "roc_auc", "brier", "ece"}, ofNumbers: {"rmse", "mae"}, ofClasses: {"accuracy", "balanced_accuracy"}}[t]
	all := make([]gate.Rule, len(names))
	for i, name := range names {
		all[i] = gate.Rule{Kind: "measure", Name: name, Severity: gate.SeverityWarn, At: at}
	}
	return all
}

// tooFew is the finding of a rule that cannot be judged for want of labels.
func (q Quality) tooFew(r gate.Rule) gate.Finding {
	f := gate.Finding{Name: r.Called(), Subject: r.Kind, Verdict: gate.Inconclusive, Severity: severityOf(r), Rows: new(int64), At: r.At,
		Shown: counted(q.Current.Labelled, "labelled prediction"), Needs: "at least " + thousands(q.MinRows)}
	*f.Rows = q.Current.Labelled
	return f
}

func severityOf(r gate.Rule) gate.Severity {
	if r.Severity == "" {
		return gate.SeverityFail
	}
	return r.Severity
}

// missing says how many predictions have no label yet, and whether those are rather the newer ones.
func (q Quality) missing() string {
	c := q.Current
	lacking := c.Rows - c.Labelled
	if lacking == 0 {
		return ""
	}
	text := fmt.Sprintf("%s of %s have no label yet", thousands(lacking), counted(c.Rows, "prediction"))
	switch {
	case c.OldestHalf-c.NewestHalf > 0.1:
		text += fmt.Sprintf(", most of them new: %s of the older half are labelled and %s of the newer", percent(c.OldestHalf), percent(c.NewestHalf))
	case c.NewestHalf-c.OldestHalf > 0.1:
		text += fmt.Sprintf(", most of them old: %s of the older half are labelled and %s of the newer", percent(c.OldestHalf), percent(c.NewestHalf))
	default:
		text += ", as often of older as of newer ones"
	}
	return text
}

// judged judges every rule through the measures of gates. Those with a margin are compared with the reference.
func (q Quality) judged(ctx context.Context, rules []gate.Rule) ([]gate.Finding, error) {
	current, err := q.measured(ctx, q.Current, rules)
	if err != nil {
		return nil, err
	}
	var base [][]gate.Finding
	compares := slices.ContainsFunc(rules, func(r gate.Rule) bool { return r.Margin != nil })
	if compares && q.Reference != nil && q.Reference.Labelled >= q.MinRows {
		q.reference = true
		if base, err = q.measured(ctx, q.Reference, rules); err != nil {
			return nil, err
		}
	}
	var all []gate.Finding
	for i, r := range rules {
		found := current[i]
		if r.Margin != nil {
			if base == nil {
				found = q.nothingToCompare(r, found)
			} else {
				found = q.against(r, found, base[i])
			}
		}
		for k := range found {
			q.dress(r, &found[k])
		}
		all = append(all, found...)
	}
	return all, nil
}

// unlimited is the limit that every value keeps: gates refuse a measure without one.
const unlimited = -math.MaxFloat64

// Check refuses rules that could not be judged once there are labels.
func (q Quality) Check() error {
	if len(q.Rules) == 0 {
		return nil
	}
	return q.gate(q.Rules).Check()
}

// gate has what rules say of one side alone.
func (q Quality) gate(rules []gate.Rule) gate.Spec {
	spec := gate.Spec{Name: q.Monitor, Positive: q.Positive, Threshold: q.Threshold, Level: q.Level, Correction: q.Correction, Seed: q.Seed, At: q.At,
		Rules: make([]gate.Rule, len(rules))}
	for i, r := range rules {
		r.Margin, r.Title = nil, ruleTitle(i)
		if r.Min == nil && r.Max == nil || q.reference {
			r.Min, r.Max = &gate.Bound{Value: unlimited}, nil
		}
		spec.Rules[i] = r
	}
	return spec
}

// measured judges one side by what rules say of it alone: a row a rule.
func (q Quality) measured(ctx context.Context, l *Labelled, rules []gate.Rule) ([][]gate.Finding, error) {
	spec := q.gate(rules)
	spec.Predictions, spec.Columns = l.Name, map[string]string{"label": l.LabelColumn}
	for role, column := range map[string]string{"id": q.ID, "score": q.Score, "class": q.Class} {
		if column != "" {
			spec.Columns[role] = column
		}
	}
	spec.Cluster, spec.Time, spec.TimeZone = q.grouping(l)
	world := gate.World{Temp: q.Temp, Now: q.Now,
		Table:    func(context.Context, string) (gate.Table, error) { return gate.Table{Table: l.Table, Ref: l.Ref}, nil },
		Identify: func(context.Context, string) (gate.Ref, error) { return l.Ref, nil },
	}
	job := gate.Job{Specs: []gate.Spec{spec}, Subject: func(context.Context, gate.Spec) (gate.Subject, error) {
		return gate.Subject{For: l.Ref, World: world}, nil
	}}
	answer, troubles := job.Judge(ctx)
	if len(troubles) > 0 {
		return nil, errors.Join(troubles...)
	}
	found := make([][]gate.Finding, len(rules))
	for _, f := range answer.Report.Gates[0].Checks {
		number, rest, _ := strings.Cut(f.Name, " ")
		i, err := strconv.Atoi(strings.TrimPrefix(number, "#"))
		if err != nil || i >= len(rules) {
			return nil, fault.New(fault.Internal, "cannot judge %s: a finding is called %q", q.Monitor, f.Name)
		}
		if f.Name = rules[i].Called(); rest != "" {
			f.Name += " " + rest
		}
		found[i] = append(found[i], f)
	}
	return found, nil
}

// ruleTitle tells findings apart while they are with gates.
func ruleTitle(i int) string { return "#" + strconv.Itoa(i) }

// grouping is the cluster or time by which rows depend on each other, where the predictions have that column.
func (q Quality) grouping(l *Labelled) (cluster, time, zone string) {
	has := func(column string) bool { return column != "" && l.Table.Schema().Index(column) >= 0 }
	switch {
	case has(q.Cluster):
		return q.Cluster, "", ""
	case has(q.Time):
		return "", q.Time, q.Zone
	}
	return "", "", ""
}

// dress takes from a finding what only gates have a use for.
func (q Quality) dress(r gate.Rule, f *gate.Finding) {
	if f.Plot != nil && f.Plot.Kind != "calibration" {
		f.Plot = nil // the record stays small
	}
	if r.Min == nil && r.Max == nil {
		f.Limit.Min = nil
	}
	if r.Min == nil && r.Max == nil && r.Margin == nil {
		f.Limit, f.Needs, f.Note = gate.Limit{}, "no limit", joined(f.Note, "shown, not judged")
		if f.Verdict == gate.Fail {
			f.Verdict = gate.Pass
		}
	}
}

// joined puts remarks behind each other.
func joined(all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), "; ")
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return "none"
	}
	return strconv.FormatFloat(share*100, 'f', 0, 64) + "%"
}

// Add puts findings into an answer whose table is judged already. What only warns has no say in the verdict.
func (a *Answer) Add(found ...gate.Finding) {
	for _, f := range found {
		a.Checks = append(a.Checks, f)
		switch {
		case f.Severity == gate.SeverityWarn || f.Waiver != nil:
		case f.Verdict == Drift:
			a.Verdict, a.Why = Drift, ""
		case f.Verdict != Stable && a.Verdict == Stable:
			a.Verdict, a.Why = CannotTell, joined(f.Name+": "+f.Shown, f.Note)
		}
	}
}

// PredictionDrift turns what was found of the columns of predictions into checks: beside the columns of data they would be taken for some.
func PredictionDrift(columns []Column) []gate.Finding {
	all := make([]gate.Finding, len(columns))
	for i, c := range columns {
		rows := c.Rows
		f := gate.Finding{Name: "prediction drift: " + c.Name, Subject: "column", Verdict: c.Verdict, Severity: gate.SeverityFail, Value: c.Value,
			Rows: &rows, Shown: c.Text, Note: c.Why, Needs: "no drift"}
		if c.Threshold != nil {
			f.Limit.Max = c.Threshold
			f.Needs = string(c.Method) + " at most " + number(*c.Threshold)
		}
		all[i] = f
	}
	return all
}
