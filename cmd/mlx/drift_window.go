package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// window is the answer for one window: the recorded one if everything it depends on is as it was.
func (t *driftTurn) window(ctx context.Context, w driftWindow) (told driftTold, err error) {
	reference, err := t.findReference(ctx, w)
	if err != nil {
		return driftTold{}, err
	}
	defer reference.close(&err)
	current, err := t.findCurrent(ctx, w)
	if err != nil {
		return driftTold{}, err
	}
	defer current.close(&err)
	if current.found == nil && t.passed(w) {
		return driftTold{}, errNoData
	}
	predictions, err := t.findPredictions(ctx, w)
	defer predictions.close(&err)
	if err != nil {
		return driftTold{}, err
	}
	a := drift.Answer{Monitor: t.name, AsOf: t.asOf(w), Reference: reference.ref, Current: current.ref, Config: t.config, MlxVersion: mlxVersion()}
	if w.span != nil {
		a.Window.From, a.Window.To = &w.span.From, &w.span.To
	}
	if a.Inputs, err = t.basis(w, reference, current, predictions.refs...).Digest(); err != nil {
		return driftTold{}, err
	}
	if known, ok, err := t.known(ctx, w, a.Inputs); ok || err != nil {
		return t.told(known, false), err
	}
	if err := t.compare(ctx, &a, &reference, &current); err != nil {
		return driftTold{}, err
	}
	if a.Window.Rows == 0 && t.passed(w) {
		return driftTold{}, errNoData
	}
	if err := predictions.judge(ctx, &a); err != nil {
		return driftTold{}, err
	}
	if w.judged != nil && w.span != nil && !t.fresh && a.Repeats(w.judged.Answer) {
		return t.told(*w.judged, false), nil
	}
	if again := t.again(w, a); again != "" {
		a.Notes = append(a.Notes, again)
	}
	t.hintTime(a)
	if t.ledger == nil {
		return t.told(drift.Kept{Answer: a, At: t.app.now()}, true), nil
	}
	kept, err := a.Keep(ctx, t.ledger, t.replaced(w, a)...)
	return t.told(kept, true), err
}

func (t *driftTurn) told(k drift.Kept, fresh bool) driftTold {
	return driftTold{Record: k.ID, At: k.At, Answer: k.Answer, New: fresh, Written: t.monitor.At}
}

// asOf is the time at which a window is judged: when it was due, so that one that is caught up is not judged as old.
func (t *driftTurn) asOf(w driftWindow) time.Time {
	if w.span == nil {
		return t.now.UTC()
	}
	return w.span.To.Add(t.calendar.Lag).UTC()
}

// basis is everything that the answer depends on.
func (t *driftTurn) basis(w driftWindow, reference, current driftData, others ...gate.Ref) drift.Basis {
	b := drift.Basis{Monitor: t.name, Config: t.config, Reference: reference.ref, Current: current.parts, Others: others}
	if t.weights != nil {
		b.Others = append(b.Others, *t.weights)
	}
	b.Meaning = [2]object.Digest{reference.meaning, current.meaning}
	switch {
	case w.span != nil:
		b.Window = w.span.From.UTC().Format(time.RFC3339) + " " + w.span.To.UTC().Format(time.RFC3339)
	case t.spec.Freshness > 0:
		b.AsOf = t.now.UTC().Truncate(time.Hour).Format(time.RFC3339)
	}
	return b
}

// known is the answer that was recorded for the same inputs.
func (t *driftTurn) known(ctx context.Context, w driftWindow, inputs object.Digest) (drift.Kept, bool, error) {
	if t.ledger == nil || t.fresh && w.newest {
		return drift.Kept{}, false, nil
	}
	return drift.Find(ctx, t.ledger, inputs)
}

// compare fills in the answer.
func (t *driftTurn) compare(ctx context.Context, a *drift.Answer, reference, current *driftData) error {
	if current.found == nil || reference.found == nil {
		side := current
		if current.found != nil {
			side = reference
		}
		a.Verdict, a.Columns, a.LimitShare = drift.CannotTell, []drift.Column{}, t.spec.MaxDrifted
		a.Why = fmt.Sprintf("there is no data of the window: none of %s is there", cli.FormatNum(int64(len(side.gone)), "table"))
		a.Notes = append(a.Notes, "missing: "+side.missingNote())
		return nil
	}
	t.spec.Private = append(slices.Clone(reference.private), current.private...)
	judged, err := t.measure(ctx, *a, reference, current)
	if err != nil {
		return err
	}
	if len(current.gone) > 0 {
		judged.Notes = append(judged.Notes, judgedWithout+current.missingNote())
	}
	if len(reference.gone) > 0 {
		judged.Notes = append(judged.Notes, "of the reference is missing: "+reference.missingNote())
	}
	*a = judged
	return nil
}

// measure compares two sides and judges what is found.
func (t *driftTurn) measure(ctx context.Context, a drift.Answer, reference, current *driftData) (judged drift.Answer, err error) {
	ref, err := reference.open(ctx, t.app)
	if err != nil {
		return a, err
	}
	defer closeSource(ref, &err)
	cur, err := current.open(ctx, t.app)
	if err != nil {
		return a, err
	}
	defer closeSource(cur, &err)
	countCells(ref.Profile, cur.Profile)
	progress := t.app.streams.Progress("comparing", "rows", 0)
	defer progress.Done()
	options := drift.Options{Temp: t.app.scratch(), Read: progress.Add}
	spec := t.between(ref, cur)
	compared, err := drift.Compare(ctx, ref, cur, spec, options)
	if err != nil {
		return a, err
	}
	if spec.Classifier != nil {
		if compared.Classified, err = drift.Classify(ctx, ref, cur, spec, options); err != nil {
			return a, err
		}
	}
	judged = compared.Judge(spec, a.AsOf)
	judged.Hide(driftPrivate(spec.Private, ref, cur))
	judged.Monitor, judged.AsOf, judged.Reference, judged.Current = a.Monitor, a.AsOf, a.Reference, a.Current
	judged.Config, judged.Inputs, judged.MlxVersion, judged.Window = a.Config, a.Inputs, a.MlxVersion, a.Window
	judged.ReferenceN, judged.Window.Rows = compared.Rows[0], compared.Rows[1]
	return judged, nil
}

func closeSource(s drift.Source, err *error) {
	if s.Table != nil {
		*err = errors.Join(*err, s.Table.Close())
	}
}

// How notes begin that are told whatever the answer is.
const (
	judgedAgain   = "judged again: "
	judgedWithout = "judged without what is missing: "
)

// hintTime says of two tables that were typed which column should have been named as the time.
func (t *driftTurn) hintTime(a drift.Answer) {
	for _, c := range a.Columns {
		if t.name == "" && c.Verdict == drift.Drift && (c.Reference.Type == "time" || c.Reference.Type == "date") {
			t.app.streams.Note("%s is a %s, another in every table: --time %s takes the rows of a day together and does not compare it", c.Name, c.Reference.Type,
				shellWord(c.Name))
		}
	}
}

// again says why a window that was judged is judged once more.
func (t *driftTurn) again(w driftWindow, a drift.Answer) string {
	if w.judged == nil || w.span == nil {
		return ""
	}
	was := w.judged.Answer
	switch {
	case was.Config != a.Config:
		return judgedAgain + "the monitor is not what it was"
	case was.Current.ID != a.Current.ID:
		return judgedAgain + "data came late"
	case was.Reference.ID != a.Reference.ID:
		return judgedAgain + "the reference is another"
	case t.fresh && w.newest: // those before it are judged for a reason of their own
		return judgedAgain + "somebody asked for it"
	}
	return judgedAgain + "the model or its labels are not what they were"
}

// replaced are the records that an answer takes the place of: the one about the same rows.
func (t *driftTurn) replaced(w driftWindow, a drift.Answer) []object.Digest {
	if w.judged == nil || w.span == nil && w.judged.Current.ID != a.Current.ID {
		return nil
	}
	return []object.Digest{w.judged.ID}
}

// findCurrent finds the data of a window.
func (t *driftTurn) findCurrent(ctx context.Context, w driftWindow) (driftData, error) {
	if t.name == "" {
		d, err := t.app.driftTable(ctx, t.current)
		return d, err
	}
	d, err := t.inWindow(ctx, t.table(), w.span, t.monitor.Current != "")
	d.last = t.monitor.Window.Rows
	return d, err
}

// inWindow is a table of the monitor, of which the rows of a span count; all without one. Of the log of a service bare leaves only features.
func (t *driftTurn) inWindow(ctx context.Context, where string, span *drift.Span, bare bool) (driftData, error) {
	if strings.HasPrefix(where, refService+":") {
		return t.driftService(ctx, where, span, bare)
	}
	if span == nil {
		return t.app.driftNamed(ctx, where)
	}
	var d driftData
	var err error
	if drift.ByDay(where) {
		d, err = t.app.driftDays(ctx, where, t.calendar.Days(*span))
	} else {
		d, err = t.app.driftNamed(ctx, where)
	}
	if t.cuts(where) {
		d.rows = drift.Rows{Time: t.monitor.Time, From: span.From, To: span.To, Zone: t.calendar.Zone}
	}
	return d, err
}

// cuts says whether the rows of a window are picked from a table by their time: what it holds beside them may change at any time.
func (t *driftTurn) cuts(table string) bool {
	if strings.HasPrefix(table, refService+":") && t.monitor.Time == predictionTime {
		return false // the log has its rows by time
	}
	return t.monitor.Time != "" && t.calendar != nil && (!drift.WholeDays(table) || t.calendar.Length < 24*time.Hour)
}

// findReference finds what a window is compared with.
func (t *driftTurn) findReference(ctx context.Context, w driftWindow) (driftData, error) {
	if t.name == "" {
		return t.app.driftTable(ctx, t.reference)
	}
	if t.monitor.Current == "" { // predictions alone are watched
		if d, _, err := t.referencePredictions(ctx, w); err != nil || d.found != nil {
			return d, err
		}
	}
	where := t.monitor.Reference
	if years, days, ok := drift.Season(where); ok {
		if w.span == nil {
			return driftData{}, fault.New(fault.Usage, "cannot compare with the data of %s: the monitor has no window of time", where).In(t.monitor.At)
		}
		return t.inEarlier(ctx, t.table(), t.calendar.Earlier(*w.span, years, days), t.monitor.Current != "")
	}
	if where == refModel {
		return t.trainingData(ctx, t.monitor.Model)
	}
	if isModelWord(where) {
		return t.trainingData(ctx, where)
	}
	return t.app.driftNamed(ctx, where)
}

// inEarlier is a table in the window that another one is compared with: of the same name, so that its time is said.
func (t *driftTurn) inEarlier(ctx context.Context, table string, before drift.Span, bare bool) (driftData, error) {
	d, err := t.inWindow(ctx, table, &before, bare)
	d.name = fmt.Sprintf("%s of %s", table, spanDays(before))
	d.ref.Name = d.name
	return d, err
}

// isModelWord says whether a reference may be a version of a model: NAME@STAGE, with a path of its training data or without.
func isModelWord(where string) bool {
	r := readRef(where)
	name, _, ok := splitModel(r.word)
	return ok && name != "" && (r.kind == "" || r.kind == refModel) && !isTableURL(where) && !strings.Contains(r.word, "/")
}
