package gate

import (
	"mlx/internal/fault"
	"mlx/internal/lineage"
)

// ViewRef is Ref of the JSON views.
type ViewRef struct {
	Kind string  `json:"kind"`
	ID   string  `json:"id"`
	Name *string `json:"name"`
}

// ViewGate is one gate of a view.
type ViewGate struct {
	Name    string      `json:"name"`
	Verdict Verdict     `json:"verdict"`
	For     ViewRef     `json:"for"`
	Against *ViewRef    `json:"against"`
	Checks  []ViewCheck `json:"checks"`
}

// ViewCheck is Check of the JSON views. What this version does not compute is null.
type ViewCheck struct {
	Name       string            `json:"name"`
	Subject    string            `json:"subject"`
	Verdict    Verdict           `json:"verdict"`
	Severity   Severity          `json:"severity"`
	Value      *float64          `json:"value"`
	Baseline   *float64          `json:"baseline"`
	Difference *float64          `json:"difference"`
	Interval   *[2]float64       `json:"interval"`
	Level      *float64          `json:"level"`
	Unit       *string           `json:"unit"`
	Limit      ViewLimit         `json:"limit"`
	Rows       *int64            `json:"rows"`
	RowsNeeded *int64            `json:"rows_needed"`
	Slice      map[string]string `json:"slice"`
	Waiver     *Waiver           `json:"waiver"`
	Detectable *float64          `json:"detectable"`
	Failing    *Failing          `json:"failing"`
	Plot       *Plot             `json:"plot"`
	Note       *string           `json:"note"`
	At         fault.Position    `json:"at"`
	Text       string            `json:"text"`
}

// ViewLimit is the limit of a check.
type ViewLimit struct {
	Min    *float64 `json:"min"`
	Max    *float64 `json:"max"`
	Margin *float64 `json:"margin"`
}

// ViewOf folds a record of a judgement into its view.
func ViewOf(rec lineage.Record) (View, error) {
	r, err := Judged.Decode(rec)
	if err != nil {
		return View{}, err
	}
	v := View{
		Kind: "gate/v1", ID: rec.ID.Hex(), Verdict: r.Verdict, Gates: []ViewGate{}, For: r.For.View(), Against: r.Against.viewed(), Data: []ViewRef{},
		Config: r.Config.Hex(), Counts: r.Counts, At: rec.At, MlxVersion: r.MlxVersion, Report: r, Record: rec.ID,
	}
	for _, d := range r.Data {
		v.Data = append(v.Data, d.View())
	}
	for _, g := range r.Gates {
		v.Gates = append(v.Gates, g.view())
	}
	return v, nil
}

func (g Result) view() ViewGate {
	v := ViewGate{Name: g.Name, Verdict: g.Verdict, For: g.For.View(), Against: g.Against.viewed(), Checks: []ViewCheck{}}
	for _, f := range g.Checks {
		v.Checks = append(v.Checks, f.View())
	}
	return v
}

// View is the finding as JSON views have it.
func (f Finding) View() ViewCheck {
	c := ViewCheck{
		Name: f.Name, Subject: f.Subject, Verdict: f.Verdict, Severity: f.Severity, Value: f.Value, Baseline: f.Baseline,
		Difference: f.Difference, Interval: f.Interval, Limit: ViewLimit(f.Limit), Rows: f.Rows, RowsNeeded: f.RowsNeeded,
		Detectable: f.Detectable, Slice: f.Slice, Waiver: f.Waiver, Failing: f.Failing, Plot: f.Plot, At: f.At, Text: f.Text(),
	}
	if f.Note != "" {
		c.Note = &f.Note
	}
	if f.Interval != nil {
		level := f.level()
		c.Level = &level
	}
	if f.Unit != "" {
		c.Unit = &f.Unit
	}
	return c
}

// viewed is View of what may not be there.
func (r *Ref) viewed() *ViewRef {
	if r == nil {
		return nil
	}
	v := r.View()
	return &v
}

// View is the reference as JSON views have it.
func (r Ref) View() ViewRef {
	v := ViewRef{Kind: r.Kind, ID: r.ID.Hex()}
	if r.Name != "" {
		v.Name = &r.Name
	}
	return v
}
