package main

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// causeOf is the record that a run was started because of.
func causeOf(v run.View) []neighbour {
	if v.Because == nil {
		return nil
	}
	return []neighbour{{run.BecauseRole, target{Kind: refRecord, ID: v.Because.ID}}}
}

// belowInRun adds a run to what came of a thing: one that read it, or that was started because of it.
func belowInRun(rec lineage.Record, t, found target, all []neighbour) []neighbour {
	body, _ := runBody(rec)
	if body.Because != nil && body.Because.ID == t.ID {
		all = add(all, neighbour{"started", found})
	}
	for _, d := range body.Data {
		if d.Root == t.ID {
			all = add(all, neighbour{"read by", found})
		}
	}
	return all
}

// aboveDrift is what an answer about drift compared, where that is a version that somebody keeps: the bytes of a file or of a URL are told by
// the answer itself.
func aboveDrift(rec lineage.Record) ([]neighbour, error) {
	answer, err := drift.Checked.Decode(rec)
	if err != nil {
		return nil, err
	}
	var all []neighbour
	for role, side := range map[string]gate.Ref{"reference": answer.Reference, "current": answer.Current} {
		if side.Kind == refSnapshot {
			all = append(all, neighbour{role, target{Kind: refSnapshot, ID: side.ID, Name: side.Name}})
		}
	}
	slices.SortFunc(all, func(a, b neighbour) int { return strings.Compare(b.role, a.role) })
	return all, nil
}

// causeOfMaker is why the run that made the version in question was started: what a person asks of a model first.
func (b *grapher) causeOfMaker(ctx context.Context, t target, maker object.Digest) ([]neighbour, error) {
	if !b.isRoot(t) {
		return nil, nil
	}
	v, err := b.history.Get(ctx, maker)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	return causeOf(v), err
}

// describeDrift makes the node of an answer about drift: what drifted.
func describeDrift(rec lineage.Record, n *node) bool {
	answer, err := drift.Checked.Decode(rec)
	if err != nil {
		return false
	}
	at := rec.At
	n.Kind, n.Name, n.At, n.Text = "drift", answer.Monitor, &at, shortNames(answer.Drifted())
	if n.Text == "" {
		n.Text = map[drift.Verdict]string{drift.Stable: "no drift", drift.CannotTell: "cannot tell"}[answer.Verdict]
	}
	return true
}
