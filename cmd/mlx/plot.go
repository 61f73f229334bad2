package main

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/run"
)

// systemMetrics begins the names of what the machine did during a run.
const systemMetrics = "system/"

// tracedRun is a run and its series.
type tracedRun struct {
	id     string // 64 hex digits
	label  string
	curves *run.Curves // nil where it has none
}

// curveView tells of one series in JSON views.
type curveView struct {
	Name      string     `json:"name"`
	Points    int        `json:"points"`
	FirstStep int64      `json:"first_step"`
	LastStep  int64      `json:"last_step"`
	Min       run.Number `json:"min"`
	Max       run.Number `json:"max"`
	Mean      run.Number `json:"mean"`
	Last      run.Number `json:"last"` // at the highest step

	drawn drawn
}

// curvesOf opens the series of a run, those so far if it is in progress here; then its metrics are filled in as well.
func (a *app) curvesOf(ctx context.Context, v *run.View) (*run.Curves, error) {
	if v.Series != nil {
		store, err := a.store()
		if err != nil {
			return nil, err
		}
		curves, err := run.ReadSeries(ctx, store, v.Series)
		if fault.KindOf(err) == fault.NotFound {
			err = fault.New(fault.NotFound, "cannot read the series of run %s: they are not on this machine", v.RunID.Short()).Hint("mlx pull")
		}
		return curves, err
	}
	if v.State != run.Running {
		return nil, nil
	}
	dir, err := a.folderOf(*v)
	if err != nil || dir == "" {
		return nil, err
	}
	curves, values, err := run.LiveSeries(dir)
	if err != nil {
		a.streams.Why("%v", err)
	}
	if curves != nil && len(v.Metrics) == 0 {
		v.Metrics = values
	}
	return curves, nil
}

// traced is a run with its series; the label is its name, if it has one.
func (a *app) traced(ctx context.Context, v *run.View) (tracedRun, error) {
	curves, err := a.curvesOf(ctx, v)
	t := tracedRun{id: v.ID, label: v.RunID.Short(), curves: curves}
	if v.Name != nil {
		t.label = *v.Name + " " + t.label
	}
	return t, err
}

// views tells of the series of a run: of all, or of those named.
func (t tracedRun) views(only []string) ([]curveView, error) {
	all := []curveView{}
	if t.curves == nil {
		return all, nil
	}
	for _, name := range t.curves.Names() {
		if len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		c, err := t.curves.Column(name)
		if err != nil {
			return nil, err
		}
		all = append(all, viewCurve(c))
	}
	return all, nil
}

func viewCurve(c run.Curve) curveView {
	v := curveView{Name: c.Name, Points: c.Len(), drawn: drawCurve(c)}
	v.FirstStep, v.LastStep = slices.Min(c.Steps), slices.Max(c.Steps)
	v.Last = run.Number(v.drawn.y[len(v.drawn.y)-1])
	low, high, sum, n := math.Inf(1), math.Inf(-1), 0.0, 0
	for _, y := range c.Values {
		if run.Number(y).Finite() {
			low, high, sum, n = min(low, y), max(high, y), sum+y, n+1
		}
	}
	v.Min, v.Max, v.Mean = run.Number(low), run.Number(high), run.Number(sum/float64(n))
	return v
}

// drawn is a curve as it is drawn: x rises, and of points at one x the last one counts.
type drawn struct {
	label string // what x is
	x, y  []float64
}

// drawCurve puts the points over their steps; those of the machine, which have no steps of their own, over seconds.
func drawCurve(c run.Curve) drawn {
	d := drawn{label: "step"}
	at := c.Steps
	scale, origin := 1.0, int64(0)
	if strings.HasPrefix(c.Name, systemMetrics) && !slices.Contains(c.Times, 0) {
		d.label, at, scale, origin = "seconds", c.Times, 1000, slices.Min(c.Times)
	}
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
	}
	if !slices.IsSorted(at) {
		slices.SortStableFunc(order, func(a, b int) int {
			if at[a] != at[b] {
				return int(max(-1, min(1, at[a]-at[b])))
			}
			return a - b
		})
	}
	for k, i := range order {
		if k+1 < len(order) && at[order[k+1]] == at[i] {
			continue
		}
		d.x, d.y = append(d.x, float64(at[i]-origin)/scale), append(d.y, c.Values[i])
	}
	return d
}

// bounds are the finite extremes of y, and whether there is any.
func (d drawn) bounds() (low, high float64, ok bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, y := range d.y {
		if run.Number(y).Finite() {
			low, high = min(low, y), max(high, y)
		}
	}
	return low, high, low <= high
}

// timeOf writes a time of a series; empty where it is not known.
func timeOf(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
