package gate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/stats"
)

// robustCheck asks the model for rows as they are and for the same rows disturbed, and compares.
type robustCheck struct {
	session *session
	rule    Rule
}

// robust is a check under a disturbance: of a measure of quality, or of how many decisions change.
func (s *session) robust(r Rule) (Check, error) {
	if err := s.soundUnder(r); err != nil {
		return nil, err
	}
	if r.Under.Attack != "" {
		return s.attack(r)
	}
	allowed := []string{"max", "under", "table", "rows", "min_rows", "stat"}
	if r.Name != "changed" {
		allowed = []string{"min", "max", "margin", "under", "table", "rows", "min_rows", "average", "quantile"}
		if !slices.Contains(robustMetrics(), stats.Metric(r.Name)) {
			return nil, s.wrong(r, "under: means nothing for measure %s", r.Name).
				Hint("it goes with changed, accuracy, f1, roc_auc, rmse and the like")
		}
	}
	if err := s.only(r, allowed...); err != nil {
		return nil, err
	}
	switch {
	case r.Min == nil && r.Max == nil && r.Margin == nil:
		return nil, s.wrong(r, "%s has no limit", r.quoted()).Hint("max: 1%% for changed; margin: 0.02 or min: 0.9 for a measure")
	case r.Stat != "" && r.Stat != "mean":
		return nil, s.wrong(r, "stat of changed is mean, the mean change of the score, or absent: the share of changed decisions")
	case r.Rows < 0 || r.Rows > askMost:
		return nil, s.wrong(r, "rows is 1 to %d", askMost)
	}
	return robustCheck{s, r}, s.soundModel(r)
}

func robustMetrics() []stats.Metric {
	return append(regressionMetrics(), stats.Accuracy, stats.BalancedAccuracy, stats.Precision, stats.Recall, stats.F1, stats.Specificity, stats.MCC,
		stats.ROCAUC, stats.PRAUC, stats.LogLoss, stats.Brier, stats.ECE)
}

func regressionMetrics() []stats.Metric {
	return []stats.Metric{stats.RMSE, stats.MAE, stats.MedianAE, stats.R2, stats.MAPE, stats.SMAPE, stats.MaxError, stats.Bias, stats.QuantileLoss}
}

// soundUnder refuses a disturbance that changes nothing, or that no column could keep.
func (s *session) soundUnder(r Rule) error {
	u := r.Under
	if u == nil {
		return s.wrong(r, "%s needs under:", r.quoted()).Hint("under: {noise: 0.1} or {swap: zip_code}")
	}
	random := u.Noise != 0 || u.Missing != 0 || u.Typos != 0
	switch {
	case u.Noise < 0:
		return s.wrong(r, "noise is a number of standard deviations, not %v", u.Noise)
	case !random && u.Swap == "" && u.Attack == "":
		return s.wrong(r, "under: disturbs nothing").Hint("under: {noise: 0.1}, {missing: 5%%}, {typos: 2%%}, {swap: COLUMN} or {attack: COMMAND}")
	case u.Swap != "" && (random || u.Attack != "" || u.Columns != nil), u.Attack != "" && (random || u.Columns != nil):
		return s.wrong(r, "swap and attack stand alone under: another disturbance is another check")
	case u.Values != nil && u.Swap == "":
		return s.wrong(r, "values are those that swap puts in")
	}
	return nil
}

// words names a disturbance: `under noise 0.1, 5% missing`.
func (u Under) words() string {
	if u.Swap != "" {
		return "with other " + u.Swap
	}
	if u.Attack != "" {
		return "under attack"
	}
	var all []string
	if u.Noise > 0 {
		all = append(all, "noise "+strconv.FormatFloat(u.Noise, 'g', -1, 64))
	}
	if u.Missing > 0 {
		all = append(all, shareText(u.Missing)+" missing")
	}
	if u.Typos > 0 {
		all = append(all, shareText(u.Typos)+" typos")
	}
	return "under " + strings.Join(all, ", ")
}

func shareText(v float64) string { return strconv.FormatFloat(v*100, 'g', 4, 64) + "%" }

// Check asks twice and compares. That the model refuses disturbed rows, though it takes them undisturbed, is a failure of the model.
func (c robustCheck) Check(ctx context.Context, about Subject) ([]Finding, error) {
	ask, err := c.session.model(ctx, about, c.rule)
	if err != nil {
		return nil, err
	}
	drawn, err := c.session.draw(ctx, about, c.rule, ask)
	if err != nil {
		return nil, err
	}
	t := robustTrial{session: c.session, about: about, rule: c.rule, drawn: drawn}
	if drawn.rows.rows == 0 || int64(drawn.rows.rows) < c.rule.MinRows {
		f := t.finding()
		f.Verdict, f.Shown, f.Needs = Inconclusive, fmt.Sprintf("%d rows", drawn.rows.rows), fmt.Sprintf("at least %d rows", max(c.rule.MinRows, 1))
		return []Finding{f}, nil
	}
	if err := t.disturb(ctx, ask); err != nil {
		if isRefusal(err) {
			return []Finding{t.refusedFinding(err)}, nil
		}
		return nil, err
	}
	var f Finding
	switch {
	case c.rule.Name == "changed" && c.rule.Stat == "mean":
		f, err = t.moved()
	case c.rule.Name == "changed":
		f, err = t.changed()
	default:
		f, err = t.measured()
	}
	return []Finding{f}, err
}

// askRowsDrawn are rows with what the model says of them as they are.
type askRowsDrawn struct {
	table    string
	file     string // the one file of the table; empty when it has several
	rows     *askFrame
	features []string
	label    string // column; empty when there is none
	answers  []answer
}

// draw takes the rows of a check and asks the model for them undisturbed. Checks that draw the same share the answers.
func (s *session) draw(ctx context.Context, about Subject, r Rule, ask asker) (*askRowsDrawn, error) {
	where := cmp.Or(r.Table, s.spec.Table, s.spec.Predictions, about.Table)
	if where == "" {
		return nil, s.wrong(r, "%s needs a table of rows to ask the model for", r.quoted()).Hint("table: data/golden.csv")
	}
	n := cmp.Or(r.Rows, askRows)
	key := fmt.Sprintf("%d %s", n, where)
	if known, ok := s.asking.drawn[key]; ok {
		return known, nil
	}
	t, err := about.World.Table(ctx, where)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
	}
	d := &askRowsDrawn{table: where}
	if files := t.Files(); len(files) == 1 {
		d.file = files[0]
	}
	if d.features, err = s.askedColumns(ctx, about, r, t.Schema().Names()); err != nil {
		return nil, err
	}
	columns := slices.Clone(d.features)
	if label := s.role("label"); t.Schema().Index(label) >= 0 {
		d.label = label
		if !slices.Contains(columns, label) {
			columns = append(columns, label)
		}
	}
	if d.rows, err = drawRows(ctx, t.Table, columns, n, s.spec.Seed); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
	}
	if d.answers, err = s.predictions(ctx, ask, d.rows.project(d.features)); err != nil {
		return nil, fault.New(refusalKind(err), "%w", err).In(r.At)
	}
	if s.asking.drawn == nil {
		s.asking.drawn = map[string]*askRowsDrawn{}
	}
	s.asking.drawn[key] = d
	return d, nil
}

func refusalKind(err error) fault.Kind {
	if isRefusal(err) {
		return fault.Usage
	}
	return fault.KindOf(err)
}

// role is the column of a role: what the gate says, else the name of the role.
func (s *session) role(name string) string { return cmp.Or(s.spec.Columns[name], name) }

// askedColumns are the columns that the model is given: those that the gate lists, those that the model says it reads, else all but
// the ones that have a role.
func (s *session) askedColumns(ctx context.Context, about Subject, r Rule, known []string) ([]string, error) {
	names := s.spec.Features
	var err error
	switch {
	case names != nil:
	case s.spec.FeaturesFile != "":
		var text []byte
		if text, err = about.World.File(ctx, s.spec.FeaturesFile); err == nil {
			names = strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' })
		}
	case about.World.Features != nil:
		names, err = about.World.Features(ctx)
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
	}
	if len(names) == 0 {
		for _, name := range known {
			if !s.hasRole(name) {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, s.wrong(r, "the model reads the column %q, which the table has not", name).
				Hint("table: FILE   # with the columns that the model reads, as it gets them in use")
		}
	}
	if len(names) == 0 {
		return nil, s.wrong(r, "the table has no column beside id, label and the like that a model could read")
	}
	return names, nil
}

// hasRole says whether a column stands for something that a model is not given.
func (s *session) hasRole(name string) bool {
	for _, role := range []string{"id", "label", "score", "class", "weight", "query"} {
		if s.role(role) == name {
			return true
		}
	}
	return name == s.spec.Cluster || name == s.spec.Time
}
