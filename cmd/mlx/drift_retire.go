package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
)

// retiring is one monitor that may withdraw its model.
type retiring struct {
	app     *app
	name    string
	monitor repo.Monitor
	now     time.Time
	zone    *time.Location
	rule    drift.Retirement
	actionLog
	values map[object.Digest]drift.GoldenDay // by inputs
	newest object.Digest                     // the record of the newest day that was judged
}

// goldenBack is how many days further back than it takes days with golden rows are looked for.
const goldenBack = 31

// retire withdraws the model of a monitor if it was bad on golden rows for as many days as the monitor says, and if the version to return to
// does better. It does so once. Nothing is returned where there is nothing to tell.
func (a *app) retire(ctx context.Context, name string, m repo.Monitor, now time.Time) (*actionView, error) {
	if m.Retire == "" {
		return nil, nil
	}
	g := &retiring{app: a, name: name, monitor: m, now: now}
	var err error
	if g.rule, err = drift.ParseRetirement(m.Retire); err != nil {
		return nil, err
	}
	if less, known := gate.LowerIsBetter(g.measure()); less || !known {
		return nil, fault.New(fault.Usage, "cannot withdraw a model by %q: it is no measure of which more is better", g.measure()).In(m.Golden.At).
			Hint("measure: accuracy   # or roc_auc, f1, ...")
	}
	if g.zone, err = drift.Zone(m.TimeZone); err != nil {
		return nil, err
	}
	release, busy, err := a.lockAction(ctx, name, "retire")
	if busy || err != nil {
		return nil, err
	}
	defer release()
	if err := g.look(ctx); err != nil {
		return nil, err
	}
	if v, err := g.settle(ctx); v != nil || err != nil {
		return v, err
	}
	return g.judge(ctx)
}

func (g *retiring) measure() string { return cmp.Or(g.monitor.Golden.Measure, "accuracy") }

func (g *retiring) minRows() int { return cmp.Or(g.monitor.Golden.MinRows, 30) }

// look reads what is known.
func (g *retiring) look(ctx context.Context) (err error) {
	if g.actionLog, err = g.app.actionLog(ctx, g.name); err != nil {
		return err
	}
	g.values = map[object.Digest]drift.GoldenDay{}
	q := lineage.Query{Nouns: []string{"drift"}, Where: monitorWhere(drift.GoldenJudged.Name(), g.name), Limit: 2 * (g.rule.Days + goldenBack), All: true}
	for rec, err := range g.ledger.Select(ctx, q) {
		if err != nil {
			return err
		}
		d, err := drift.GoldenJudged.Decode(rec)
		if err != nil {
			return err
		}
		if g.newest.IsZero() {
			g.newest = rec.ID
		}
		g.values[d.Inputs] = d
	}
	return nil
}

// settle records the end of a withdrawal after which mlx was killed.
func (g *retiring) settle(ctx context.Context) (*actionView, error) {
	for _, d := range drift.Fold(g.done) {
		name, ok := strings.CutPrefix(d.What, "retire ")
		if !ok || d.State != drift.ActionStarted || d.Clone != g.clone {
			continue
		}
		_, v, err := g.app.versionNamed(ctx, name)
		if err != nil {
			return nil, err
		}
		if v.Retired {
			d.Action.State = drift.ActionSucceeded
			return g.record(ctx, d.Action)
		}
	}
	return nil, nil
}

// judge asks for the values of days until they decide.
func (g *retiring) judge(ctx context.Context) (*actionView, error) {
	model, v, err := g.app.versionNamed(ctx, g.monitor.Model)
	if fault.KindOf(err) == fault.NotFound {
		g.app.streams.Why("%s: nothing to withdraw: %v", g.name, err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if v.Retired {
		return nil, nil
	}
	seen := map[string]goldenRows{}
	low, err := g.rule.Low(func(yield func(drift.GoldenDay, error) bool) {
		today := drift.DayAt(g.now.Add(-g.monitor.Lag.Duration), g.zone)
		for back := 1; back <= g.rule.Days+goldenBack; back++ {
			day := today.Before(back)
			d, rows, err := g.day(ctx, day, v)
			seen[d.Day] = rows
			if !yield(d, err) {
				return
			}
		}
	})
	if err != nil || low == nil {
		return nil, err
	}
	days := make([]goldenRows, len(low))
	for i, d := range low {
		days[len(low)-1-i] = seen[d.Day]
	}
	return g.decide(ctx, model, v, low, days)
}

// day is the value of a version on one day. It is recorded, and not asked for again while nothing changes that it depends on.
func (g *retiring) day(ctx context.Context, day drift.Day, v *registry.Version) (drift.GoldenDay, goldenRows, error) {
	d := drift.GoldenDay{Monitor: g.name, Model: v.Name(), Version: v.Record, Day: day.String(), Measure: g.measure()}
	rows, err := g.goldenRows(ctx, day)
	if err != nil {
		return d, rows, fault.New(fault.KindOf(err), "cannot judge golden rows of %s: %w", day, err)
	}
	if d.Rows = int64(len(rows.rows)); len(rows.rows) < g.minRows() {
		if len(rows.rows) > 0 {
			g.app.streams.Why("%s: %d golden rows of %s are fewer than %d: the day counts for nothing", g.name, len(rows.rows), day, g.minRows())
		}
		return d, rows, nil
	}
	if d.Inputs, err = g.goldenInputs(day, v, rows); err != nil {
		return d, rows, err
	}
	if known, ok := g.values[d.Inputs]; ok {
		return known, rows, nil
	}
	said, err := g.ask(ctx, v, rows)
	if err != nil {
		return d, rows, err
	}
	found, err := g.worth(ctx, goldenSaid{labels: rows.labels, one: said})
	if err != nil {
		return d, rows, err
	}
	d.Value = found.Value
	entry := lineage.Entry[drift.GoldenDay]{Body: d, In: []lineage.Input{{Role: "model", ID: v.Record}, {Role: "golden", ID: rows.table.Ref.ID}},
		Op: "golden " + d.Inputs.Hex()}
	rec, err := drift.GoldenJudged.Append(ctx, g.ledger, entry)
	g.newest = rec.ID
	g.values[d.Inputs] = d
	return d, rows, err
}

// decide withdraws the version if the one to return to does better on the same rows, or says why not.
func (g *retiring) decide(ctx context.Context, model *registry.Model, v *registry.Version, low []drift.GoldenDay, days []goldenRows) (*actionView, error) {
	body := drift.Action{Monitor: g.name, Cause: g.newest, What: "retire " + v.Name(), Key: drift.RetireKey(g.name, v.Name()), Clone: g.clone,
		AsOf: g.now.UTC().Truncate(time.Microsecond), State: drift.ActionUnchanged}
	words := g.rule.LowWords(low)
	back := returnTo(model, v)
	if back == nil {
		body.Why = words + ": there is no version to return to"
		return g.record(ctx, body)
	}
	better, err := g.better(ctx, v, back, days)
	if err != nil {
		return nil, err
	}
	if !g.rule.Enough(better) {
		body.Why = words + ": " + better.Words() + ", which is not better enough to return to"
		return g.record(ctx, body)
	}
	body.Why, body.Rollback, body.Stage = words+": "+better.Words(), back.Name(), string(v.Stage)
	c, err := g.app.config()
	if err != nil {
		return nil, err
	}
	for name, s := range c.Everywhere() {
		if slices.Contains(s.Models(), v.Model) {
			body.Services = append(body.Services, name)
		}
	}
	return g.withdraw(ctx, v, body)
}

// withdraw archives the version between two records.
func (g *retiring) withdraw(ctx context.Context, v *registry.Version, body drift.Action) (*actionView, error) {
	body.State = drift.ActionStarted
	if _, err := g.record(ctx, body); err != nil {
		return nil, err
	}
	r, err := g.app.registry()
	if err != nil {
		return nil, err
	}
	if _, err := r.Move(ctx, registry.Step{Version: v, To: registry.Archived, Why: body.Why, Retired: true}); err != nil {
		return nil, err // the next check tries again
	}
	body.State = drift.ActionSucceeded
	return g.record(context.WithoutCancel(ctx), body)
}

// better asks both versions for the rows of all days and compares them row by row.
func (g *retiring) better(ctx context.Context, v, back *registry.Version, days []goldenRows) (drift.Better, error) {
	b := drift.Better{Model: back.Name(), Days: len(days), Clustered: len(days) >= drift.GoldenClusters}
	var all goldenSaid
	var said [2]gate.Said
	for day, rows := range days {
		var here [2]gate.Said
		for i, one := range []*registry.Version{back, v} {
			answers, err := g.ask(ctx, one, rows)
			if err != nil {
				return b, err
			}
			here[i] = answers
			said[i].Texts, said[i].Class = append(said[i].Texts, answers.Texts...), answers.Class
		}
		for _, label := range rows.labels {
			all.labels, all.days = append(all.labels, label), append(all.days, day)
		}
		if !b.Clustered {
			found, err := g.worth(ctx, goldenSaid{labels: rows.labels, one: here[0], other: &here[1]})
			if err != nil {
				return b, err
			}
			if found.Difference != nil && *found.Difference > 0 {
				b.DaysWon++
			}
		}
	}
	all.one, all.other = said[0], &said[1]
	if !b.Clustered {
		all.days = nil
	}
	found, err := g.worth(ctx, all)
	if err != nil {
		return drift.Better{}, err
	}
	if found.Value == nil || found.Baseline == nil {
		return drift.Better{}, fault.New(fault.Usage, "cannot compare %s with %s: %s", back.Name(), v.Name(), found.Shown)
	}
	b.Value, b.Other, b.Interval, b.Rows = *found.Value, *found.Baseline, found.Interval, int64(len(all.labels))
	return b, nil
}

// returnTo is the version that was in the stage before this one, else the one before it; nil where there is none that may be used.
func returnTo(m *registry.Model, v *registry.Version) *registry.Version {
	usable := func(n int) *registry.Version {
		old, err := m.Version(n)
		if err != nil || old.Retired || old.Version == v.Version || old.Root.IsZero() {
			return nil
		}
		return old
	}
	all := m.Tenures()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Stage == v.Stage && all[i].Until != nil {
			if old := usable(all[i].Version); old != nil {
				return old
			}
		}
	}
	for before := m.Before(v.Version); before != nil; before = m.Before(before.Version) {
		if old := usable(before.Version); old != nil {
			return old
		}
	}
	return nil
}

// record writes down what became of a withdrawal, unless that is known, and returns it.
func (g *retiring) record(ctx context.Context, body drift.Action) (*actionView, error) {
	var before *drift.Done
	for _, d := range drift.Fold(g.done) {
		if d.Key == body.Key {
			before = &d
		}
	}
	if before != nil && body.State == drift.ActionUnchanged && before.State == body.State && before.Why == body.Why {
		v := viewOfAction(*before)
		return &v, nil
	}
	d, err := g.append(ctx, body, nil, before)
	if err != nil {
		return nil, err
	}
	v := viewOfAction(d)
	v.New = true
	return &v, nil
}

// rollbackAsked says what a person does about a version that was withdrawn.
func rollbackAsked(body drift.Action) []string {
	if len(body.Services) == 0 {
		return []string{fmt.Sprintf("mlx promote %s %s", shellWord(body.Rollback), shellWord(body.Stage))}
	}
	var all []string
	for _, name := range body.Services {
		all = append(all, "mlx rollback "+shellWord(name))
	}
	return all
}
