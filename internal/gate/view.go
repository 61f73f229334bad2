package gate

import "mlx/internal/lineage"

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
	Limit      ViewLimit         `json:"limit"`
	Rows       *int64            `json:"rows"`
	RowsNeeded *int64            `json:"rows_needed"`
	Slice      map[string]string `json:"slice"`
	Waiver     *string           `json:"waiver"`
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
		Kind: "gate/v1", ID: rec.ID.Hex(), Verdict: r.Verdict, Gates: []ViewGate{}, For: r.For.view(), Data: []ViewRef{},
		Config: r.Config.Hex(), Counts: r.Counts, At: rec.At, MlxVersion: r.MlxVersion, Report: r, Record: rec.ID,
	}
	for _, d := range r.Data {
		v.Data = append(v.Data, d.view())
	}
	for _, g := range r.Gates {
		v.Gates = append(v.Gates, g.view())
	}
	return v, nil
}

func (g Result) view() ViewGate {
	v := ViewGate{Name: g.Name, Verdict: g.Verdict, For: g.For.view(), Checks: []ViewCheck{}}
	for _, f := range g.Checks {
		v.Checks = append(v.Checks, ViewCheck{
			Name: f.Name, Subject: f.Subject, Verdict: f.Verdict, Severity: f.Severity, Value: f.Value,
			Limit: ViewLimit{Min: f.Limit.Min, Max: f.Limit.Max}, Text: f.Text(),
		})
	}
	return v
}

func (r Ref) view() ViewRef {
	v := ViewRef{Kind: r.Kind, ID: r.ID.Hex()}
	if r.Name != "" {
		v.Name = &r.Name
	}
	return v
}
