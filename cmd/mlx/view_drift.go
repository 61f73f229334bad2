package main

import (
	"slices"
	"time"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// driftTold is one answer and what is known beside it when it is told.
type driftTold struct {
	Record  object.Digest // zero: nothing was recorded
	At      time.Time     // when it was recorded
	Answer  drift.Answer
	New     bool // this window had not been answered before
	Actions []actionView
	Written fault.Position // of the monitor in mlx.yaml; zero when it is not there
	Earlier []driftPast    // answers before this one, newest first: for a trend
}

// driftPast is what a trend shows of an answer.
type driftPast struct {
	Record object.Digest
	At     time.Time
	Answer drift.Answer
}

// driftView is drift/v1.
type driftView struct {
	Kind     string            `json:"kind"`
	Verdict  drift.Verdict     `json:"verdict"`
	Mapped   *drift.Verdict    `json:"mapped"` // what --inconclusive made of the exit status
	Monitors []driftAnswerView `json:"monitors"`

	told []driftTold
}

// driftAnswerView is the answer of one monitor for one window.
type driftAnswerView struct {
	ID             *string           `json:"id"` // null: nothing was recorded
	Monitor        *string           `json:"monitor"`
	Verdict        drift.Verdict     `json:"verdict"`
	Window         driftWindowView   `json:"window"`
	Reference      gate.ViewRef      `json:"reference"`
	New            bool              `json:"new"`
	DriftedShare   *float64          `json:"drifted_share"`
	LimitShare     float64           `json:"limit_share"`
	Columns        []driftColumnView `json:"columns"`
	Action         *actionView       `json:"action"` // the first of actions
	Actions        []actionView      `json:"actions"`
	Checks         []gate.ViewCheck  `json:"checks"`
	Current        gate.ViewRef      `json:"current"`
	ReferenceRows  int64             `json:"reference_rows"`
	Grouped        *string           `json:"grouped"` // null: rows are assumed to be independent
	Clusters       driftSides        `json:"clusters"`
	KSError        *float64          `json:"ks_error"`
	Notes          []string          `json:"notes"`
	Why            *string           `json:"why"`
	Config         string            `json:"config"`
	Inputs         string            `json:"inputs"`
	At             *time.Time        `json:"at"`
	AsOf           time.Time         `json:"as_of"`
	MlxVersion     string            `json:"mlx_version"`
	DriftedColumns []string          `json:"drifted_columns"` // names, the worst first
}

type driftWindowView struct {
	From *time.Time `json:"from"`
	To   *time.Time `json:"to"`
	Rows int64      `json:"rows"`
}

type driftSides struct {
	Reference int64 `json:"reference"`
	Current   int64 `json:"current"`
}

// driftColumnView is what was found of one column.
type driftColumnView struct {
	Name             string             `json:"name"`
	Verdict          drift.Verdict      `json:"verdict"`
	Method           drift.Method       `json:"method"`
	Value            *float64           `json:"value"`
	Threshold        *float64           `json:"threshold"`
	P                *float64           `json:"p"`
	PAdjusted        *float64           `json:"p_adjusted"`
	Direction        *string            `json:"direction"`
	Rows             int64              `json:"rows"`
	MissingShare     float64            `json:"missing_share"`
	ReferenceMissing float64            `json:"reference_missing_share"`
	Text             string             `json:"text"`
	Kind             *string            `json:"kind"`
	Weight           float64            `json:"weight"`
	Why              *string            `json:"why"`
	Measures         []driftMeasureView `json:"measures"`
	Bins             *driftBinsView     `json:"bins"`
	Reference        driftSummaryView   `json:"reference"`
	Current          driftSummaryView   `json:"current"`
}

type driftMeasureView struct {
	Method    drift.Method   `json:"method"`
	Value     *float64       `json:"value"`
	Threshold *float64       `json:"threshold"`
	P         *float64       `json:"p"`
	PAdjusted *float64       `json:"p_adjusted"`
	Verdict   *drift.Verdict `json:"verdict"` // null: shown, not judged
}

type driftBinsView struct {
	Edges      []float64 `json:"edges"`
	Atoms      []bool    `json:"atoms"`
	Categories []string  `json:"categories"`
	Others     bool      `json:"others"`
	Reference  []int64   `json:"reference"`
	Current    []int64   `json:"current"`
}

type driftSummaryView struct {
	Rows     int64    `json:"rows"`
	Missing  int64    `json:"missing"`
	NaN      int64    `json:"nan"`
	PlusInf  int64    `json:"plus_inf"`
	MinusInf int64    `json:"minus_inf"`
	Type     *string  `json:"type"` // null: the side lacks the column
	Distinct *int64   `json:"distinct"`
	Mean     *float64 `json:"mean"`
	Std      *float64 `json:"std"`
	Min      *float64 `json:"min"`
	Median   *float64 `json:"median"`
	Max      *float64 `json:"max"`
	Top      *string  `json:"top"`
}

// driftViewOf folds answers into one document: no beats cannot tell, which beats yes.
func driftViewOf(told []driftTold) driftView {
	v := driftView{Kind: "drift/v1", Verdict: drift.Stable, Monitors: []driftAnswerView{}, told: told}
	for _, d := range told {
		v.Monitors = append(v.Monitors, d.view())
		switch d.Answer.Verdict {
		case drift.Stable:
		case drift.Drift:
			v.Verdict = drift.Drift
		default: // a word that is not known is not yes
			if v.Verdict == drift.Stable {
				v.Verdict = drift.CannotTell
			}
		}
	}
	return v
}

func (d driftTold) view() driftAnswerView {
	r := d.Answer
	v := driftAnswerView{
		Monitor: some(r.Monitor), Verdict: r.Verdict, Window: driftWindowView{utcOf(r.Window.From), utcOf(r.Window.To), r.Window.Rows},
		Reference: r.Reference.View(), Current: r.Current.View(), New: d.New, DriftedShare: knownNumber(r.DriftedShare), LimitShare: r.LimitShare,
		Columns: []driftColumnView{}, Actions: append([]actionView{}, d.Actions...), Checks: []gate.ViewCheck{}, ReferenceRows: r.ReferenceN,
		Grouped: some(r.Grouped), Clusters: driftSides{r.Clusters[0], r.Clusters[1]}, Notes: append([]string{}, r.Notes...), Why: some(r.Why),
		Config: r.Config.Hex(), Inputs: r.Inputs.Hex(), AsOf: r.AsOf.UTC(), MlxVersion: r.MlxVersion, DriftedColumns: d.drifted(),
	}
	if !d.Record.IsZero() {
		v.ID = some(d.Record.Hex())
	}
	if !d.At.IsZero() {
		v.At = utcOf(&d.At)
	}
	if r.KSError > 0 {
		v.KSError = knownNumber(&r.KSError)
	}
	if len(d.Actions) > 0 {
		v.Action = &v.Actions[0]
	}
	for _, f := range r.Checks {
		v.Checks = append(v.Checks, f.View())
	}
	for _, c := range r.Columns {
		v.Columns = append(v.Columns, driftColumnOf(c))
	}
	return v
}

func driftColumnOf(c drift.Column) driftColumnView {
	v := driftColumnView{
		Name: c.Name, Verdict: c.Verdict, Method: c.Method, Value: knownNumber(c.Value), Threshold: knownNumber(c.Threshold), P: knownNumber(c.P),
		PAdjusted: knownNumber(c.PAdjusted), Direction: some(c.Direction), Rows: c.Rows, MissingShare: c.MissingShare,
		ReferenceMissing: c.ReferenceMissing, Text: c.Text, Kind: some(string(c.Kind)), Weight: c.Weight, Why: some(c.Why),
		Measures: []driftMeasureView{}, Bins: driftBinsOf(c.Bins), Reference: driftSummaryOf(c.Reference), Current: driftSummaryOf(c.Current),
	}
	for _, m := range c.Measures {
		shown := driftMeasureView{Method: m.Method, Value: knownNumber(m.Value), Threshold: knownNumber(m.Threshold), P: knownNumber(m.P), PAdjusted: knownNumber(m.PAdjusted)}
		if m.Verdict != "" {
			shown.Verdict = &m.Verdict
		}
		v.Measures = append(v.Measures, shown)
	}
	return v
}

func driftBinsOf(b drift.Bins) *driftBinsView {
	if len(b.Reference)+len(b.Current) == 0 {
		return nil
	}
	return &driftBinsView{
		Edges: append([]float64{}, b.Edges...), Atoms: append([]bool{}, b.Atoms...), Categories: append([]string{}, b.Categories...), Others: b.Others,
		Reference: append([]int64{}, b.Reference...), Current: append([]int64{}, b.Current...),
	}
}

func driftSummaryOf(s drift.Summary) driftSummaryView {
	return driftSummaryView{
		Rows: s.Rows, Missing: s.Missing, NaN: s.NaN, PlusInf: s.PlusInf, MinusInf: s.MinusInf, Type: some(s.Type), Distinct: s.Distinct,
		Mean: knownNumber(s.Mean), Std: knownNumber(s.Std), Min: knownNumber(s.Min), Median: knownNumber(s.Median), Max: knownNumber(s.Max), Top: some(s.Top),
	}
}

// drifted are the names of the columns that drifted, the worst first.
func (d driftTold) drifted() []string {
	names := []string{}
	for _, c := range driftOrder(d.Answer.Columns) {
		if c.Verdict == drift.Drift {
			names = append(names, c.Name)
		}
	}
	return names
}

// driftOrder are the columns as they are read: those that drifted, the farthest beyond its threshold first; those that cannot be judged;
// the others.
func driftOrder(columns []drift.Column) []drift.Column {
	rank := func(c drift.Column) int {
		switch c.Verdict {
		case drift.Drift:
			return 0
		case drift.Stable:
			return 2
		case drift.CannotTell:
		}
		return 1
	}
	all := slices.Clone(columns)
	slices.SortStableFunc(all, func(a, b drift.Column) int {
		if ra, rb := rank(a), rank(b); ra != rb || ra != 0 {
			return ra - rb
		}
		switch x, y := beyond(a), beyond(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return all
}

// beyond is how many times its threshold a column's effect is.
func beyond(c drift.Column) float64 {
	if c.Value == nil || c.Threshold == nil || *c.Threshold <= 0 {
		return 0
	}
	return *c.Value / *c.Threshold
}

// knownNumber is a number as JSON can have it.
func knownNumber(v *float64) *float64 {
	if v == nil {
		return nil
	}
	return finite(*v)
}

func utcOf(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	utc := at.UTC()
	return &utc
}
