package main

import (
	"context"
	"errors"

	"mlx/internal/cli"
	"mlx/internal/drift"
)

// act starts what the monitor says of what was found in the newest window, and withdraws its model where that is due. It is done when no lock
// of the monitor is held any more: a run may take hours, and another check only repeats the answer meanwhile.
func (t *driftTurn) act(ctx context.Context, newest *driftTold) (err error) {
	if t.name == "" || t.noAction {
		return nil
	}
	if newest.Answer.Verdict == drift.Drift && !newest.Record.IsZero() && len(t.monitor.OnDrift.Actions()) > 0 {
		rec, getErr := t.ledger.Get(ctx, newest.Record)
		if err = getErr; err == nil {
			newest.Actions, err = t.app.actOn(ctx, t.name, t.now, rec)
		}
	}
	retired, retireErr := t.app.retire(ctx, t.name, t.monitor, t.now)
	if retired != nil {
		newest.Actions = append(newest.Actions, *retired)
	}
	return errors.Join(err, retireErr)
}

// actionRow is drift-action/v1: what was started while no answer of the monitor could be told.
type actionRow struct {
	Kind    string `json:"kind"`
	Monitor string `json:"monitor"`
	actionView
}

// retireAlone looks at golden rows when the monitor itself could not be judged: a model that is bad is withdrawn all the same.
func (t *driftTurn) retireAlone(ctx context.Context) error {
	if t.name == "" || t.noAction {
		return nil
	}
	v, err := t.app.retire(ctx, t.name, t.monitor, t.now)
	if err != nil || v == nil || !v.New {
		return err
	}
	return t.app.streams.Row(actionRow{"drift-action/v1", t.name, *v}, func(text *cli.Text) { text.Line(cli.Str(v.Text)) })
}
