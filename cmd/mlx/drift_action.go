package main

import (
	"context"
	"strings"
	"time"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// actionView is what drift started, or why it started nothing: part of drift/v1.
type actionView struct {
	ID     string            `json:"id"` // of the record; empty while another mlx is at work
	What   string            `json:"what"`
	State  drift.ActionState `json:"state"`
	Run    *string           `json:"run"`
	URL    *string           `json:"url"` // of an issue
	Why    *string           `json:"why"`
	Cause  string            `json:"cause"` // the record of the drift
	AsOf   time.Time         `json:"as_of"`
	Cost   *drift.Cost       `json:"cost"`
	New    bool              `json:"new"` // it was done by this call
	Until  time.Time         `json:"-"`   // before then drift does not start it again; zero: nothing says so
	Text   string            `json:"text"`
	Failed bool              `json:"-"` // and it has been told
}

// actOn starts what the monitor says of drift, once for each finding: rec is the record of an answer, judged now or before. A second call with
// the same record changes nothing. An action that fails is told and recorded, and is no error: that is what could not be read or recorded. now
// is the time of the check.
func (a *app) actOn(ctx context.Context, name string, now time.Time, rec lineage.Record) ([]actionView, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	m, ok := c.Monitors.Get(name)
	if !ok {
		return nil, fault.New(fault.NotFound, "cannot find monitor %s", name).Hint("mlx drift list")
	}
	views := []actionView{}
	answer, err := drift.Checked.Decode(rec)
	if err != nil || answer.Verdict != drift.Drift {
		return views, err
	}
	for _, action := range m.OnDrift.Actions() {
		x := &acting{app: a, name: name, monitor: m, action: action, rec: rec, answer: answer, now: now}
		v, err := x.act(ctx)
		if err != nil {
			return views, fault.New(fault.KindOf(err), "cannot act on drift of %s: %w", name, err)
		}
		if v != nil {
			views = append(views, *v)
		}
	}
	return views, nil
}

// acting is one thing that one answer may start.
type acting struct {
	app     *app
	name    string
	monitor repo.Monitor
	action  repo.DriftAction
	rec     lineage.Record
	answer  drift.Answer
	now     time.Time

	actionLog
	judged   []drift.Judged // answers that may belong to the finding, this one first
	deed     deed
	decision drift.Decision
}

// outcome is what became of a deed.
type outcome struct {
	state drift.ActionState
	run   *object.Digest
	url   string
	why   string
	cost  *drift.Cost
	retry bool // nothing was started
	err   error
}

// failedBefore is the outcome of what could not begin.
func failedBefore(err error) outcome {
	return outcome{state: drift.ActionFailed, why: err.Error(), retry: true, err: err}
}

// deed is one way of acting.
type deed interface {
	// ready says what stands against it, or that there is nothing to do. The zero outcome: it can be done.
	ready(ctx context.Context) outcome
	// estimate is what it will cost; it is asked after ready.
	estimate(ctx context.Context) drift.Estimate
	// do does it. key is the same whenever it is done again for one finding.
	do(ctx context.Context, key object.Digest) outcome
	// foundOut says how one ended that was begun by an mlx that was killed; false: it can be done again and will count once.
	foundOut(ctx context.Context, before drift.Done) (outcome, bool, error)
}

func (x *acting) act(ctx context.Context) (*actionView, error) {
	release, busy, err := x.alone(ctx)
	if err != nil {
		return nil, err
	}
	if busy {
		return x.busy(ctx)
	}
	defer release()
	if x.actionLog, err = x.app.actionLog(ctx, x.name); err != nil {
		return nil, err
	}
	if x.judged, err = x.windows(ctx); err != nil {
		return nil, err
	}
	x.deed = x.newDeed()
	x.decide(nothing())
	var gaveUp *actionView
	if b := x.decision.Before; x.decision.Do == drift.DoFindOut && b.Clone != x.clone {
		if gaveUp, err = x.giveUp(ctx, *b); err != nil {
			return nil, err
		}
		if gaveUp == nil {
			return x.viewOf(b, false), nil // whoever began it will find out
		}
		x.decide(nothing())
	}
	switch x.decision.Do {
	case drift.DoNothing:
		if gaveUp != nil {
			return gaveUp, nil
		}
		return x.viewOf(x.decision.Before, false), nil
	case drift.DoRefuse:
		return x.refuse(ctx)
	case drift.DoFindOut:
		return x.findOut(ctx)
	case drift.DoStart:
	}
	return x.begin(ctx)
}

// decide says what to do, if it costs so much.
func (x *acting) decide(e drift.Estimate) {
	p := drift.Policy{Monitor: x.name, What: x.action.Shown(), Cooldown: x.monitor.OnDrift.Cooldown.Duration, Estimate: e}
	if most := x.monitor.OnDrift.MaxCost; most.Currency != "" {
		p.MaxCost = &drift.Cost{Amount: most.Amount, Currency: most.Currency}
	}
	x.decision = drift.Decide(p, x.judged, x.done, x.judged[0], x.now)
}

// begin starts what was decided, unless something stands against it or it costs too much.
func (x *acting) begin(ctx context.Context) (*actionView, error) {
	if stopped := x.deed.ready(ctx); stopped.state != "" {
		return x.record(ctx, stopped)
	}
	estimate := nothing()
	if x.monitor.OnDrift.MaxCost.Currency != "" {
		estimate = x.deed.estimate(ctx)
		if x.decide(estimate); x.decision.Do == drift.DoRefuse {
			return x.refuse(ctx)
		}
	}
	return x.start(ctx, estimate.Cost)
}

// start records that the action begins, does it, and records how it ended. Between both records only a kill can leave it open.
func (x *acting) start(ctx context.Context, cost *drift.Cost) (*actionView, error) {
	if cost != nil && cost.Amount == 0 {
		cost = nil
	}
	begun, err := x.write(ctx, outcome{state: drift.ActionStarted, cost: cost})
	if err != nil {
		return nil, err
	}
	x.decision.Before = &begun
	out := x.deed.do(ctx, x.decision.Key)
	if out.cost == nil {
		out.cost = cost
	}
	return x.record(context.WithoutCancel(ctx), out)
}

// findOut settles what a killed mlx left open.
func (x *acting) findOut(ctx context.Context) (*actionView, error) {
	before := *x.decision.Before
	out, over, err := x.deed.foundOut(ctx, before)
	switch {
	case err != nil:
		return nil, err
	case over && out.state == drift.ActionStarted:
		before.Run = out.run
		return x.viewOf(&before, false), nil // it goes on
	case over:
		if out.cost == nil {
			out.cost = before.Cost
		}
		return x.record(ctx, out)
	}
	if stopped := x.deed.ready(ctx); stopped.state != "" {
		return x.record(ctx, stopped)
	}
	return x.start(ctx, before.Cost)
}

func (x *acting) refuse(ctx context.Context) (*actionView, error) {
	return x.record(ctx, outcome{state: x.decision.State, why: x.decision.Why})
}

// mostWhy bounds what a record says went wrong, in bytes: a program or a server may have said it.
const mostWhy = 1000

// record writes down what became of the action, unless the ledger says the same already, and tells what went wrong.
func (x *acting) record(ctx context.Context, out outcome) (*actionView, error) {
	out.why = cut(strings.ToValidUTF8(out.why, "\ufffd"), mostWhy) // a record is refused that is no text
	if out.state == drift.ActionFailed {
		x.tell(out)
	}
	b := x.decision.Before
	if b != nil && b.State == out.state && b.State != drift.ActionStarted && (b.Why == out.why || b.State != drift.ActionFailed) {
		return x.viewOf(b, false), nil
	}
	d, err := x.write(ctx, out)
	if err != nil {
		return nil, err
	}
	return x.viewOf(&d, true), nil
}

// tell says on stderr what went wrong, also under -q: whoever relies on it must know.
func (x *acting) tell(out outcome) {
	kind := fault.Unavailable
	if out.err != nil {
		kind = fault.KindOf(out.err)
	}
	e := fault.New(kind, "drift of %s: %s failed: %s", x.name, x.action.Shown(), out.why)
	for _, hint := range fault.Hints(out.err) {
		e = e.Hint("%s", hint)
	}
	x.app.streams.FailAs(e, int(no))
}

// write appends the record of what became of the action.
func (x *acting) write(ctx context.Context, out outcome) (drift.Done, error) {
	body := drift.Action{
		Monitor: x.name, Cause: x.rec.ID, What: x.action.Shown(), State: out.state, Key: x.decision.Key, Clone: x.clone, Run: out.run,
		URL: out.url, Cost: out.cost, AsOf: x.now.UTC().Truncate(time.Microsecond), Why: out.why, Retry: out.retry,
	}
	if b := x.decision.Before; b != nil && b.State == drift.ActionStarted {
		body.Cause, body.AsOf = b.Cause, b.AsOf // the end belongs to its beginning
	}
	return x.append(ctx, body, x.answer.Drifted(), x.decision.Before)
}
