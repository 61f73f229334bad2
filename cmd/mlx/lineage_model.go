package main

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/image"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// usedBy is the versions of models that a run read.
func usedBy(v run.View) []neighbour {
	var all []neighbour
	for _, u := range v.Used {
		all = add(all, neighbour{"model", target{Kind: refModel, ID: u.Record, Name: u.Model + "@v" + numberWord(u.Version)}})
	}
	return all
}

// aboveVersion is what a version was made from: its run or, where none is known, its bytes; the versions that it was derived from; and
// what was found, judged and signed of its bytes.
func (b *grapher) aboveVersion(ctx context.Context, t target) ([]neighbour, error) {
	_, v, err := b.app.modelVersion(ctx, t)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil // registered no longer, or on another machine
	}
	if err != nil {
		return nil, err
	}
	var all []neighbour
	switch {
	case v.Run != nil:
		if all, err = b.causeOfMaker(ctx, t, *v.Run); err != nil {
			return nil, err
		}
		all = append(all, neighbour{"run", target{Kind: refRun, ID: *v.Run}})
	case !v.Root.IsZero():
		all = append(all, neighbour{"bytes", target{Kind: refSnapshot, ID: v.Root, Name: v.Path}})
	}
	for _, p := range v.From {
		all = add(all, neighbour{"from", target{Kind: refModel, ID: p.Record, Name: p.Model + "@v" + numberWord(p.Version)}})
	}
	if !b.isRoot(t) || v.Digest.IsZero() {
		return all, nil
	}
	return b.evidenceOf(ctx, v, all)
}

// evidenceOf adds the scans and sign-offs of the bytes of a version, and the verdicts on its run.
func (b *grapher) evidenceOf(ctx context.Context, v *registry.Version, all []neighbour) ([]neighbour, error) {
	about := []object.Digest{v.Digest}
	if v.Run != nil {
		about = append(about, *v.Run)
	}
	for _, id := range about {
		for rec, err := range b.ledger.Referring(ctx, id) {
			if err != nil {
				return nil, err
			}
			switch {
			case registry.Scanned.Is(rec):
				all = add(all, neighbour{"scan", target{Kind: refRecord, ID: rec.ID}})
			case registry.Signed.Is(rec):
				all = add(all, neighbour{"signed", target{Kind: refRecord, ID: rec.ID}})
			case gate.Judged.Is(rec):
				all = add(all, neighbour{"judged", target{Kind: refGate, ID: rec.ID}})
			}
		}
	}
	return all, nil
}

// belowVersion is what came of a version: the runs that read it, and the versions derived from it.
func (b *grapher) belowVersion(ctx context.Context, t target) ([]neighbour, error) {
	var all []neighbour
	for rec, err := range b.ledger.Referring(ctx, t.ID) {
		if err != nil {
			return nil, err
		}
		switch found := recordTarget(rec); {
		case rec.ID == t.ID:
		case found.Kind == refModel:
			all = add(all, neighbour{"derived", found})
		case found.Kind == refRun:
			all = add(all, neighbour{"read by", found})
		case image.Packaged.Is(rec):
			all = add(all, neighbour{"packaged", found})
		}
	}
	return all, nil
}

// describeVersion makes the node of a version. That of the root tells in a sentence how it differs from the one before.
func (b *grapher) describeVersion(ctx context.Context, t target, n node) (node, error) {
	m, v, err := b.app.modelVersion(ctx, t)
	if fault.KindOf(err) == fault.NotFound {
		n.Text = "not known here"
		return n, nil
	}
	if err != nil {
		return n, err
	}
	at := v.At
	n.Name, n.At, n.Text = v.Name(), &at, string(v.Stage)
	if len(b.g.Nodes) > 0 || b.down {
		return n, nil
	}
	made, err := b.app.viewOfMaker(ctx, v)
	if err != nil {
		return n, err
	}
	d, err := b.app.derivationOf(ctx, m, v, made)
	if err == nil && d != nil {
		n.Text += "; " + d.Text
	}
	return n, err
}

// loggedAs reports whether a record registers a model that an MLflow client logged: such a one is no output of its run.
func loggedAs(rec lineage.Record) bool {
	b, err := registry.Registered.Decode(rec)
	return err == nil && b.Logged != ""
}
