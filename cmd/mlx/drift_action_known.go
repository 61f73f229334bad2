package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/drift"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// actionsOf is what drift of a monitor has started so far and what was refused, the newest state of each, in the order of their beginnings.
// One that is only started may be at work now.
func (a *app) actionsOf(ctx context.Context, l *lineage.Ledger, monitor string) ([]drift.Done, error) {
	all, err := actionRecords(ctx, l, monitor)
	return drift.Fold(all), err
}

// monitorWhere selects the records of a monitor and of a kind.
func monitorWhere(kind, name string) string {
	return "kind == " + strconv.Quote(kind) + " and monitor == " + strconv.Quote(name)
}

// actionLog is what a monitor has started so far, as this clone knows it.
type actionLog struct {
	ledger *lineage.Ledger
	clone  string
	done   []drift.Done
}

func (a *app) actionLog(ctx context.Context, monitor string) (l actionLog, err error) {
	if l.ledger, err = a.ledger(); err != nil {
		return l, err
	}
	r, err := a.repo()
	if err != nil {
		return l, err
	}
	if l.clone, err = r.CloneID(); err != nil {
		return l, err
	}
	l.done, err = actionRecords(ctx, l.ledger, monitor)
	return l, err
}

// append records a state of an action: names are what drifted, prev is what was known of it.
func (l *actionLog) append(ctx context.Context, body drift.Action, names []string, prev *drift.Done) (drift.Done, error) {
	n := 0
	for _, d := range l.done {
		if d.Key == body.Key && d.State == body.State {
			n++
		}
	}
	recs, err := l.ledger.AppendAll(ctx, drift.Draft(body, names, n, prev))
	if err != nil {
		return drift.Done{}, err
	}
	d, err := drift.DoneOf(recs[0])
	l.done = append(l.done, d)
	return d, err
}

func actionRecords(ctx context.Context, l *lineage.Ledger, monitor string) ([]drift.Done, error) {
	var all []drift.Done
	q := lineage.Query{Nouns: []string{"drift"}, Where: monitorWhere(drift.Acted.Name(), monitor), All: true}
	for rec, err := range l.Select(ctx, q) {
		if err != nil {
			return nil, err
		}
		d, err := drift.DoneOf(rec)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// alone makes this process the only one that acts on drift of the monitor in this way, as long as it acts. busy: another one does.
func (x *acting) alone(ctx context.Context) (release func(), busy bool, err error) {
	return x.app.lockAction(ctx, x.name, x.action.Shown())
}

func (a *app) lockAction(ctx context.Context, words ...string) (release func(), busy bool, err error) {
	r, err := a.repo()
	if err != nil {
		return nil, false, err
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	errBusy := errors.New("another mlx does it")
	release, err = r.Lock(waiting, []string{"drift\x00" + strings.Join(words, "\x00")}, func() { cancel(errBusy) })
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(waiting), errBusy) {
		return nil, true, nil
	}
	return release, false, err
}

// beyondEpisode is how many more answers are read once a window was found that did not drift: one may have been judged again since.
const beyondEpisode = 10

// windows are the answers that may belong to the finding, this one first. They are read from the newest to the last window that did not
// drift: an answer holds every column, and a monitor has years of them.
func (x *acting) windows(ctx context.Context) ([]drift.Judged, error) {
	_, _, moving := drift.Season(x.monitor.Reference)
	this, err := drift.JudgedOf(x.rec, moving)
	if err != nil {
		return nil, err
	}
	all := []drift.Judged{this}
	acted := map[object.Digest]bool{}
	for _, d := range x.done {
		acted[d.Cause] = true
	}
	left := -1
	q := lineage.Query{Nouns: []string{"drift"}, Where: monitorWhere(drift.Checked.Name(), x.name), All: true}
	for rec, err := range x.ledger.Select(ctx, q) {
		if err != nil {
			return nil, err
		}
		j, err := drift.JudgedOf(rec, moving)
		if err != nil {
			return nil, err
		}
		if j.ID != this.ID {
			all = append(all, j)
		}
		if left < 0 && j.Verdict == drift.Stable && !acted[j.ID] && j.To.Before(this.To) {
			left = beyondEpisode
		}
		if left == 0 {
			break
		}
		if left > 0 {
			left--
		}
	}
	return all, nil
}

// busy is what can be said while another process acts.
func (x *acting) busy(ctx context.Context) (*actionView, error) {
	l, err := x.app.actionLog(ctx, x.name)
	if err != nil {
		return nil, err
	}
	for _, d := range slices.Backward(drift.Fold(l.done)) {
		if d.What == x.action.Shown() && d.State == drift.ActionStarted {
			return x.viewOf(&d, false), nil
		}
	}
	text := x.action.Shown() + " is about to be started by another mlx"
	return &actionView{What: x.action.Shown(), State: drift.ActionStarted, Cause: x.rec.ID.Hex(), AsOf: x.now.UTC(), Text: text}, nil
}

func anyNew(all []actionView) bool {
	return slices.ContainsFunc(all, func(v actionView) bool { return v.New })
}

func (x *acting) viewOf(d *drift.Done, fresh bool) *actionView {
	if d == nil {
		return nil
	}
	v := viewOfAction(*d)
	v.New = fresh
	if cooldown := x.monitor.OnDrift.Cooldown.Duration; cooldown > 0 {
		v.Until = d.AsOf.Add(cooldown)
	}
	return &v
}

// viewOfAction is an action as drift/v1 has it.
func viewOfAction(d drift.Done) actionView {
	v := actionView{ID: d.ID.Hex(), What: d.What, State: d.State, Cause: d.Cause.Hex(), AsOf: d.AsOf.UTC(), URL: some(d.URL), Why: some(d.Why),
		Cost: d.Cost, Text: actionText(d.Action)}
	if d.Run != nil {
		v.Run = some(d.Run.Hex())
	}
	return v
}

// actionText tells an action in one line: "started run 4ad0917be2c6: repro train, because dewp and temp drifted".
func actionText(d drift.Action) string {
	because := ", because " + d.Reason()
	kind, of, _ := strings.Cut(d.What, " ")
	if kind == "retire" {
		return retireText(d, of)
	}
	switch d.State {
	case drift.ActionCooldown, drift.ActionOverBudget:
		return "not started: " + d.What + because + ": " + d.Why
	case drift.ActionUnchanged:
		return "nothing to start: " + d.What + because + ": " + d.Why
	case drift.ActionFailed:
		if d.Run != nil {
			return "started run " + d.Run.Short() + ": " + d.What + because + "; it " + d.Why
		}
		return "failed: " + d.What + because + ": " + d.Why
	case drift.ActionStarted, drift.ActionSucceeded:
	}
	switch {
	case d.Run != nil:
		return "started run " + d.Run.Short() + ": " + d.What + because
	case d.State == drift.ActionStarted:
		return "started: " + d.What + because
	case d.URL != "":
		return "opened issue " + d.URL + because
	case kind == "webhook":
		return "posted to " + of + because
	case kind == "command":
		return "called " + of + because
	}
	return "done: " + d.What + because
}

// retireText tells a withdrawal: "retired flights@v6: golden accuracy was 0.71 ...; next: mlx rollback flights".
func retireText(d drift.Action, of string) string {
	switch d.State {
	case drift.ActionStarted:
		return "retiring " + of + ": " + d.Why
	case drift.ActionUnchanged, drift.ActionFailed, drift.ActionCooldown, drift.ActionOverBudget:
		return of + " is not retired: " + d.Why
	case drift.ActionSucceeded:
	}
	return "retired " + of + ": " + d.Why + "; next: " + strings.Join(rollbackAsked(d), ", ")
}
