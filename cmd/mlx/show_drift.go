package main

import (
	"context"
	"slices"

	"mlx/internal/audit"
	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// showDrift shows an answer, or what a monitor is; false when the target is neither.
func (a *app) showDrift(ctx context.Context, t target, o showOptions) (bool, error) {
	if t.Kind == refConfig && t.Section == "monitors" {
		return true, a.showMonitor(ctx, t.Name, o)
	}
	if t.Kind != refRecord {
		return false, nil
	}
	l, err := a.ledger()
	if err != nil {
		return false, err
	}
	rec := t.Record
	if rec.ID != t.ID {
		if rec, err = l.Get(ctx, t.ID); err != nil {
			return false, err
		}
	}
	if drift.LabelsAdded.Is(rec) {
		return true, a.showLabels(rec)
	}
	if audit.SegmentSealed.Is(rec) {
		return true, a.showPredictions(rec)
	}
	if drift.Acted.Is(rec) {
		return true, a.showActed(rec)
	}
	if !drift.Checked.Is(rec) {
		return false, nil
	}
	d, err := a.driftToldOf(ctx, l, rec)
	if err != nil {
		return true, err
	}
	return true, a.showAnswer(ctx, d, o)
}

// showAnswer shows one answer, with all its columns.
func (a *app) showAnswer(ctx context.Context, d driftTold, o showOptions) error {
	if err := checkDriftForm(o.format); err != nil {
		return err
	}
	told := []driftTold{d}
	if o.format != "" || len(o.outs) > 0 {
		if err := a.recallTrend(ctx, told); err != nil {
			return err
		}
	}
	v := driftViewOf(told)
	if err := v.write(o.outs); err != nil {
		return err
	}
	text, err := v.textIn(o.format, func(t *cli.Text) {
		t.Heading(cli.Fmt("answer %s", cli.ID(d.Record)), cli.Time(d.At))
		v.text(t, a.driftDetail(driftColumns))
	})
	if err != nil {
		return err
	}
	return a.streams.Emit(v, text)
}

// showActed tells what drift started, or why it started nothing; to a program the record as it is stored.
func (a *app) showActed(rec lineage.Record) error {
	done, err := drift.DoneOf(rec)
	if err != nil {
		return err
	}
	v := viewOfAction(done)
	return a.streams.Emit(verbatim(rec.Raw), func(t *cli.Text) {
		t.Line(cli.Fmt("action %s", cli.ID(rec.ID)), cli.Str(string(v.State)), cli.Time(rec.At), cli.Fmt("by %s", cli.Str(rec.By)))
		t.KeyValue(2, "monitor", cli.Str(done.Monitor))
		t.KeyValue(2, "what", cli.Str(v.Text))
		t.KeyValue(2, "because", cli.Fmt("drift %s", cli.ID(done.Cause)), cli.Str(shortNames(done.Because)))
		if done.Run != nil {
			t.KeyValue(2, "run", cli.ID(*done.Run))
		}
		if done.Cost != nil {
			t.KeyValue(2, "cost", cli.Fmt("%s %s", cli.Str(done.Cost.Text()), cli.Str(done.Cost.Basis)))
		}
		for _, before := range rec.Prev {
			t.KeyValue(2, "follows", cli.ID(before))
		}
	})
}

// driftDetail is how much is told of answers: with -v all.
func (a *app) driftDetail(usual driftDetail) driftDetail {
	if a.streams.Verbose {
		return driftAll
	}
	return usual
}

// printDrift shows answers that a check found, in a form or as text.
func (a *app) printDrift(v driftView, form string, failed bool) error {
	text, err := v.textIn(form, func(t *cli.Text) { v.text(t, a.driftDetail(driftNews)) })
	if err != nil {
		return err
	}
	return a.streams.EmitVerdict(v, failed, text)
}

// textIn writes the answers in a form; without one as usual does.
func (v driftView) textIn(form string, usual func(*cli.Text)) (func(*cli.Text), error) {
	if form == "" {
		return usual, nil
	}
	text, err := v.render(form)
	return func(t *cli.Text) { t.Plain(string(text)) }, err
}

// driftToldOf is the answer of a record and what is known beside it: what it started, and where the monitor is written.
func (a *app) driftToldOf(ctx context.Context, l *lineage.Ledger, rec lineage.Record) (driftTold, error) {
	answer, err := drift.Checked.Decode(rec)
	d := driftTold{Record: rec.ID, At: rec.At, Answer: answer, New: true}
	if err != nil || answer.Monitor == "" {
		return d, err
	}
	if config, err := a.config(); err == nil { // a report needs no mlx.yaml
		if m, ok := config.Monitors.Get(answer.Monitor); ok {
			d.Written = m.At
		}
	}
	d.Actions, err = a.actionsFor(ctx, l, answer.Monitor, rec.ID)
	return d, err
}

// recallTrend adds what came before each answer, for a report that shows a trend.
func (a *app) recallTrend(ctx context.Context, told []driftTold) error {
	for i := range told {
		d := &told[i]
		if d.Answer.Monitor == "" || d.Record.IsZero() {
			continue
		}
		l, err := a.ledger()
		if err != nil {
			return err
		}
		rec, err := l.Get(ctx, d.Record)
		if err != nil {
			return err
		}
		if d.Earlier, err = earlierAnswers(ctx, l, rec, d.Answer); err != nil {
			return err
		}
	}
	return nil
}

// actionsFor are the actions that one answer started, or did not start.
func (a *app) actionsFor(ctx context.Context, l *lineage.Ledger, monitor string, cause object.Digest) ([]actionView, error) {
	done, err := a.actionsOf(ctx, l, monitor)
	var views []actionView
	for _, d := range done {
		if d.Cause == cause {
			views = append(views, viewOfAction(d))
		}
	}
	return views, err
}

// earlierAnswers are those of the same monitor about windows before, the latest first.
func earlierAnswers(ctx context.Context, l *lineage.Ledger, rec lineage.Record, answer drift.Answer) ([]driftPast, error) {
	kept, err := drift.Of(ctx, l, answer.Monitor, 2*maxTrend)
	if err != nil {
		return nil, err
	}
	var past []driftPast
	for _, k := range kept {
		before := k.Record.LC < rec.LC
		if to := answer.Window.To; to != nil && k.Window.To != nil {
			before = k.Window.To.Before(*to)
		}
		if k.ID != rec.ID && before && len(past) < maxTrend {
			past = append(past, driftPast{k.ID, k.At, k.Answer})
		}
	}
	slices.SortStableFunc(past, func(x, y driftPast) int {
		if x.Answer.Window.To == nil || y.Answer.Window.To == nil {
			return 0
		}
		return y.Answer.Window.To.Compare(*x.Answer.Window.To)
	})
	return past, nil
}

// lastRecords are the answers of monitors about their latest windows, of those that have been checked.
func lastRecords(ctx context.Context, l *lineage.Ledger, names []string) (map[string]lineage.Record, error) {
	last, err := lastAnswers(ctx, l)
	if err != nil {
		return nil, err
	}
	all := make(map[string]lineage.Record)
	for _, name := range names {
		if found, known := last[name]; known {
			if all[name], err = l.Get(ctx, found.id); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// lastTold are these answers with what is known beside them.
func (a *app) lastTold(ctx context.Context, names ...string) (map[string]driftTold, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	last, err := lastRecords(ctx, l, names)
	if err != nil {
		return nil, err
	}
	told := make(map[string]driftTold)
	for name, rec := range last {
		if told[name], err = a.driftToldOf(ctx, l, rec); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// showMonitor says what a monitor is, needs and reads, and what it found last; as a report, that answer.
func (a *app) showMonitor(ctx context.Context, name string, o showOptions) error {
	all, err := a.lastTold(ctx, name)
	if err != nil {
		return err
	}
	last, known := all[name]
	if o.format != "" || len(o.outs) > 0 {
		if !known {
			return fault.New(fault.NotFound, "cannot report on %s: it has not been checked", name).Hint("mlx drift check %s", shellWord(name))
		}
		return a.showAnswer(ctx, last, o)
	}
	config, err := a.config()
	if err != nil {
		return err
	}
	m, ok := config.Monitors.Get(name)
	if !ok {
		return fault.New(fault.NotFound, "cannot find monitor %s in %s", name, repo.ConfigName)
	}
	v, err := a.monitorShown(name, m)
	if err != nil {
		return err
	}
	if known {
		one := last.view()
		v.Last, v.last = &one, &last
	}
	return a.streams.Emit(v, func(t *cli.Text) { v.text(t, "mlx drift check "+shellWord(name)) })
}
