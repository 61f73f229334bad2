package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// driftPredictions are the predictions of a window and what they are judged by. Without predictions in the monitor it is empty.
type driftPredictions struct {
	turn      *driftTurn
	current   driftData
	reference driftData // found is nil: there are none
	labels    []drift.LabelTable
	own       bool // the reference is of the same log, so that labels are known by the same ids
	refs      []gate.Ref
}

// findPredictions finds the predictions of a window, those of the reference, and all labels that are known.
func (t *driftTurn) findPredictions(ctx context.Context, w driftWindow) (p *driftPredictions, err error) {
	p = &driftPredictions{turn: t}
	m := t.monitor
	if m.Predictions.Table == "" {
		return p, nil
	}
	if p.current, err = t.inWindow(ctx, m.Predictions.Table, w.span, false); err != nil {
		return p, err
	}
	p.current.last = m.Window.Rows
	if p.reference, p.own, err = t.referencePredictions(ctx, w); err != nil {
		return p, err
	}
	records, err := t.app.labelRecords(ctx, t.name)
	if err != nil {
		return p, err
	}
	p.refs = append(slices.Clone(p.current.parts), p.reference.parts...)
	for _, r := range records {
		p.refs = append(p.refs, gate.Ref{Kind: refSnapshot, ID: r.Kept})
	}
	if m.Labels != "" {
		found, err := t.app.driftNamed(ctx, m.Labels)
		if err != nil {
			return p, fault.New(fault.KindOf(err), "cannot read the labels: %w", err).In(m.At)
		}
		p.refs = append(p.refs, found.ref)
		found.close(&err)
	}
	p.labels, err = t.app.knownLabels(ctx, t.name, m, records)
	return p, err
}

func (p *driftPredictions) close(err *error) {
	p.current.close(err)
	p.reference.close(err)
}

// referencePredictions finds predictions of a time when the model was good: those that the monitor names, those of a season earlier, those
// that a gate judged the model by, or the reference itself, if it has scores. own says that they are of the same log.
func (t *driftTurn) referencePredictions(ctx context.Context, w driftWindow) (d driftData, own bool, err error) {
	m := t.monitor
	if m.Predictions.Reference != "" {
		if d, err = t.app.driftNamed(ctx, m.Predictions.Reference); err == nil {
			own, err = t.ofLog(ctx, d)
		}
		return d, own, err
	}
	if years, days, ok := drift.Season(m.Reference); ok && w.span != nil {
		d, err = t.inEarlier(ctx, m.Predictions.Table, t.calendar.Earlier(*w.span, years, days), false)
		return d, true, err
	}
	switch {
	case m.Reference == refModel:
		d, err = t.judgedPredictions(ctx, m.Model)
	case isModelWord(m.Reference):
		d, err = t.judgedPredictions(ctx, m.Reference)
	default:
		d, err = t.app.driftNamed(ctx, m.Reference)
	}
	if err != nil || d.found == nil {
		return d, false, err
	}
	s, err := d.open(ctx, t.app)
	if err != nil {
		return d, false, err
	}
	defer closeSource(s, &err)
	if s.Table == nil || s.Table.Schema().Index(cmp.Or(m.Predictions.Score, "score")) < 0 && s.Table.Schema().Index(cmp.Or(m.Predictions.Class, "class")) < 0 {
		d.close(&err)
		return driftData{}, false, err
	}
	own, err = t.ofLog(ctx, d)
	return d, own, err
}

// ofLog says whether all files of a table are of the log of predictions, so that its ids are those by which labels come. Ids of another table
// may be numbers of its own, and a label that meets one by chance would be worse than none.
func (t *driftTurn) ofLog(ctx context.Context, d driftData) (of bool, err error) {
	if d.found == nil {
		return false, nil
	}
	every, dated := everyDate(t.monitor.Predictions.Table)
	if dated && isWeb(every) || strings.HasPrefix(every, refService+":") {
		return false, nil
	}
	log, err := t.app.tableFiles(ctx, t.app.fromConfig(every))
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	names := map[string]bool{}
	for _, f := range log.files {
		names[f.Name] = true
	}
	other := slices.ContainsFunc(d.found.files, func(f dataset.File) bool { return !names[f.Name] })
	return !other && len(d.found.files) > 0, log.close(nil)
}

// everyDate is the pattern of a table for all dates, and whether it has any.
func everyDate(table string) (pattern string, dated bool) {
	pattern = strings.NewReplacer("{date}", "*", "{year}", "*", "{month}", "*", "{day}", "*").Replace(table)
	return pattern, pattern != table
}

// isWeb says whether an address is of a web server, which lists nothing.
func isWeb(where string) bool {
	return strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://")
}

// judgedPredictions are the predictions by which a gate judged the model: an output of the run that made it.
func (t *driftTurn) judgedPredictions(ctx context.Context, where string) (driftData, error) {
	v, _, err := t.app.modelNamed(ctx, where)
	if err != nil || v.Run == nil {
		return driftData{}, err
	}
	view, err := t.app.runOf(ctx, target{Kind: refRun, ID: *v.Run})
	if err != nil {
		return driftData{}, err
	}
	config, err := t.app.config()
	if err != nil {
		return driftData{}, err
	}
	for _, g := range config.Gates.All() {
		for _, o := range view.Outputs {
			if g.Predictions == "" || !within(g.Predictions, o.Path) {
				continue
			}
			d, err := t.app.driftTable(ctx, refRun+":"+view.ID+":"+g.Predictions)
			d.name, d.table = "predictions of "+v.Name(), g.Predictions
			d.ref.Name = d.name
			return d, err
		}
	}
	return driftData{}, nil
}

// everyPrediction opens all predictions of a monitor, of every date; nil where they cannot be listed, or where there are none yet.
func (a *app) everyPrediction(ctx context.Context, name string, m repo.Monitor) (*drift.Predictions, error) {
	where := m.Predictions.Table
	every, dated := everyDate(where)
	if dated && isWeb(every) {
		return nil, nil
	}
	var t *openedTable
	var err error
	if strings.HasPrefix(where, refService+":") {
		t, err = a.everyLogged(ctx, where)
	} else {
		t, err = a.configTable(ctx, every)
	}
	if err == nil && t == nil || dated && fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the predictions of %s: %w", name, err)
	}
	p, err := predictionsIn(drift.Source{Name: where, Ref: t.Ref, Table: t.Table}, name, m)
	if err == nil && p.ID == "" {
		err = fault.New(fault.NotFound, "cannot read the predictions of %s: %w", name, t.NoColumn("id")).In(m.Predictions.At).
			Hint("predictions: {table: %s, id: COLUMN}", where)
	}
	return p, err
}

// predictionsIn finds the columns of a table of predictions by what they are for. Those that the monitor names must be there, but that of
// the outcomes, which may come by id.
func predictionsIn(s drift.Source, name string, m repo.Monitor) (*drift.Predictions, error) {
	p := &drift.Predictions{Source: s}
	schema, said := s.Table.Schema(), m.Predictions
	for _, role := range []struct {
		named, usual string
		to           *string
		optional     bool
	}{{said.ID, "id", &p.ID, false}, {said.Score, "score", &p.Score, false}, {said.Class, "class", &p.Class, false}, {said.Label, "label", &p.Label, true}} {
		column := cmp.Or(role.named, role.usual)
		switch {
		case schema.Index(column) >= 0 || role.to == &p.Score && strings.ContainsRune(column, '*'):
			*role.to = column
		case role.named != "" && !role.optional:
			return nil, fault.New(fault.NotFound, "cannot read the predictions of %s: %w", name, s.Table.NoColumn(column)).In(said.At)
		}
	}
	if m.Time != "" && schema.Index(m.Time) >= 0 {
		p.Time = m.Time
	}
	return p, nil
}
