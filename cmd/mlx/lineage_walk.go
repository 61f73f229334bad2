package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// grapher walks records into a graph, breadth first.
type grapher struct {
	ledger  *lineage.Ledger
	tell    *teller
	g       *graph
	depth   int
	down    bool
	history run.History
	shown   func(string) string
	app     *app
}

// step is a thing to visit, and how far it is from the root.
type step struct {
	target target
	far    int
}

func (a *app) grapher(ctx context.Context, o lineageOptions) (*grapher, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	tell, err := a.teller(ctx)
	if err != nil {
		return nil, err
	}
	b := &grapher{ledger: l, tell: tell, g: newGraph(), depth: o.depth, down: o.down, history: a.history(l), shown: a.shown, app: a}
	if o.down {
		b.g.Direction = "down"
	}
	return b, nil
}

func (b *grapher) build(ctx context.Context, root target) (*graph, error) {
	ref := root.ref()
	b.g.Root = &ref
	n, err := b.describe(ctx, root)
	if err != nil {
		return nil, err
	}
	b.g.node(n)
	b.g.Roots = []string{n.ID}
	for queue := []step{{root, 0}}; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		more, err := b.neighbours(ctx, s.target)
		if err != nil {
			return nil, err
		}
		id := nodeID(s.target)
		if b.depth > 0 && s.far >= b.depth {
			b.g.byID[id].Cut = len(more) > 0
			continue
		}
		for _, m := range more {
			n, err := b.describe(ctx, m.target)
			if err != nil {
				return nil, err
			}
			isNew := b.g.node(n)
			if b.down {
				b.g.edge(n.ID, id, m.role)
			} else {
				b.g.edge(id, n.ID, m.role)
			}
			if isNew {
				queue = append(queue, step{m.target, s.far + 1})
			}
		}
	}
	return b.g, nil
}

func nodeID(t target) string {
	if t.ID.IsZero() {
		id := t.Kind + ":" + t.Commit
		if t.Commit != "" && t.Name != "" {
			id += "@" // a commit, as of one branch
		}
		return id + t.Name
	}
	return t.Kind + ":" + t.ID.Hex()
}

// neighbour is a thing next to another, and what it was to it.
type neighbour struct {
	role   string
	target target
}

func (b *grapher) neighbours(ctx context.Context, t target) ([]neighbour, error) {
	switch {
	case t.Kind == refGit && b.down:
		return b.belowCommit(ctx, t)
	case t.Kind == refGit:
		return nil, nil
	case t.Kind == refModel && b.down:
		return b.belowVersion(ctx, t)
	case t.Kind == refModel:
		return b.aboveVersion(ctx, t)
	case b.down:
		return b.below(ctx, t)
	case t.Kind == refRun:
		return b.aboveRun(ctx, t)
	case t.Kind == refSnapshot:
		return b.aboveSnapshot(ctx, t)
	}
	return b.aboveRecord(ctx, t)
}

// aboveRun is what a run was made from: data, code, and the run it was started in.
func (b *grapher) aboveRun(ctx context.Context, t target) ([]neighbour, error) {
	v, err := b.history.Get(ctx, t.ID)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil // a version of a model names it, and its records are on another machine
	}
	if err != nil {
		return nil, err
	}
	data, err := versionsOfRun(v)
	if err != nil {
		return nil, err
	}
	all := causeOf(v)
	for _, d := range data {
		all = append(all, neighbour{"data", target{Kind: refSnapshot, ID: d.Root, Name: d.Path}})
	}
	if v.Commit != nil {
		name := ""
		if v.Branch != nil {
			name = *v.Branch
		}
		all = append(all, neighbour{"code", target{Kind: refGit, Commit: *v.Commit, Name: name}})
	}
	if v.Parent != nil {
		if id, err := object.ParseDigest(*v.Parent); err == nil {
			all = append(all, neighbour{"within", target{Kind: refRun, ID: id}})
		}
	}
	if v.RerunOf != nil {
		if id, err := object.ParseDigest(*v.RerunOf); err == nil {
			all = append(all, neighbour{"repeats", target{Kind: refRun, ID: id}})
		}
	}
	return append(all, usedBy(v)...), nil
}

// aboveSnapshot is the runs that wrote a snapshot. For the root of a question, also the version before.
func (b *grapher) aboveSnapshot(ctx context.Context, t target) ([]neighbour, error) {
	var all []neighbour
	for rec, err := range b.ledger.Referring(ctx, t.ID) {
		if err != nil {
			return nil, err
		}
		if saved, err := snapshotSaved.Decode(rec); err == nil {
			if saved.Root == t.ID && saved.Previous != nil && !saved.Previous.IsZero() && saved.Previous.Compare(t.ID) != 0 && b.isRoot(t) {
				all = add(all, neighbour{"after", target{Kind: refSnapshot, ID: *saved.Previous, Name: saved.Path}})
			}
			continue
		}
		if made, err := importMade.Decode(rec); err == nil {
			if made.Root == t.ID {
				all = add(all, neighbour{"from", target{Kind: refRecord, ID: rec.ID, Record: rec}})
			}
			continue
		}
		body, ok := runBody(rec)
		id, isRun := run.IDOf(rec)
		if !ok || !isRun {
			continue
		}
		for _, o := range body.Outputs {
			if o.Root == t.ID {
				all = add(all, neighbour{"from", target{Kind: refRun, ID: id}})
			}
		}
	}
	return all, nil
}

func (b *grapher) isRoot(t target) bool { return b.g.Root.ID == t.ID.Hex() }

func add(all []neighbour, n neighbour) []neighbour {
	for _, old := range all {
		if old.role == n.role && old.target.same(n.target) {
			return all
		}
	}
	return append(all, n)
}

// aboveRecord is what any other record names: its inputs, and the records that it follows.
func (b *grapher) aboveRecord(ctx context.Context, t target) ([]neighbour, error) {
	rec, err := b.ledger.Get(ctx, t.ID)
	if fault.KindOf(err) == fault.NotFound || importMade.Is(rec) {
		return nil, nil // bytes of a file, a record of another machine, or what came from elsewhere: the imports before it were of other bytes
	}
	if err != nil {
		return nil, err
	}
	if drift.Checked.Is(rec) {
		return aboveDrift(rec)
	}
	var all []neighbour
	if verdict, err := gate.Judged.Decode(rec); err == nil {
		for _, g := range verdict.Gates {
			all = add(all, neighbour{"for", target{Kind: g.For.Kind, ID: g.For.ID, Name: g.For.Name}})
		}
		return all, nil
	}
	for _, in := range rec.In {
		n, err := b.named(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		all = add(all, neighbour{in.Role, n})
	}
	for _, p := range rec.Prev {
		n, err := b.named(ctx, p)
		if err != nil {
			return nil, err
		}
		all = add(all, neighbour{"after", n})
	}
	return all, nil
}

// named says what a digest in a record stands for.
func (b *grapher) named(ctx context.Context, id object.Digest) (target, error) {
	p, err := object.ParsePrefix(id.Hex())
	if err != nil {
		return target{}, err
	}
	matches, err := b.ledger.Find(ctx, p)
	if err != nil {
		return target{}, err
	}
	for _, m := range matches {
		if t, ok := explain(m); ok {
			return t, nil
		}
	}
	return target{Kind: refRecord, ID: id}, nil
}

// offspring adds the runs that were started inside a run, and those that repeat it.
func (b *grapher) offspring(ctx context.Context, t target, all []neighbour) ([]neighbour, error) {
	where := fmt.Sprintf("parent == %[1]q or rerun_of == %[1]q", t.ID.Hex())
	for v, err := range b.history.Views(ctx, lineage.Query{Where: where}) {
		if err != nil {
			return nil, err
		}
		found := target{Kind: refRun, ID: v.RunID}
		if v.Name != nil {
			found.Name = *v.Name
		}
		if v.Parent != nil && *v.Parent == t.ID.Hex() {
			all = add(all, neighbour{"started", found})
		}
		if v.RerunOf != nil && *v.RerunOf == t.ID.Hex() {
			all = add(all, neighbour{"repeated", found})
		}
	}
	return all, nil
}

// below is what was made from a thing, and what judged it.
func (b *grapher) below(ctx context.Context, t target) ([]neighbour, error) {
	var all []neighbour
	if t.Kind == refRun {
		v, err := b.history.Get(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		for _, o := range v.Outputs {
			if root, err := object.ParseDigest(o.Snapshot); err == nil {
				all = append(all, neighbour{"made", target{Kind: refSnapshot, ID: root, Name: o.Path}})
			}
		}
		if all, err = b.offspring(ctx, t, all); err != nil {
			return nil, err
		}
	}
	for rec, err := range b.ledger.Referring(ctx, t.ID) {
		if err != nil {
			return nil, err
		}
		switch found := recordTarget(rec); {
		case found.Kind == refGate:
			all = add(all, neighbour{"judged", found})
		case found.Kind == refRun:
			all = belowInRun(rec, t, found, all)
		case run.Rejudged.Is(rec):
			all = add(all, neighbour{"compared", found})
		case found.Kind == refModel && (t.Kind == refSnapshot || loggedAs(rec)):
			all = add(all, neighbour{"registered", found})
		case snapshotSaved.Is(rec):
			if saved, err := snapshotSaved.Decode(rec); err == nil && saved.Previous != nil && *saved.Previous == t.ID && saved.Root != t.ID {
				all = add(all, neighbour{"then", found})
			}
		}
	}
	return all, nil
}

// belowCommit is the runs that were started from a commit.
func (b *grapher) belowCommit(ctx context.Context, t target) ([]neighbour, error) {
	var all []neighbour
	for v, err := range b.history.Views(ctx, lineage.Query{Where: "code.commit == " + strconv.Quote(t.Commit)}) {
		if err != nil {
			return nil, err
		}
		all = append(all, neighbour{"ran", target{Kind: refRun, ID: v.RunID}})
	}
	return all, nil
}

// describe makes the node of a thing. What is known only by its digest, because its record is on another machine, is
// still a node.
func (b *grapher) describe(ctx context.Context, t target) (node, error) {
	n := node{ID: nodeID(t), Kind: t.Kind, Name: t.Name}
	if !t.ID.IsZero() {
		n.Ref = t.ID.Hex()
	}
	switch t.Kind {
	case refGit:
		n.Ref, n.Name = t.Commit, ""
		if t.Name != "" {
			n.Text = "on " + t.Name
		}
		return n, nil
	case refModel:
		return b.describeVersion(ctx, t, n)
	case refSnapshot:
		n.Name = b.shown(t.Name)
		var err error
		n.Text, err = b.size(ctx, t)
		return n, err
	}
	rec, err := b.ledger.Get(ctx, t.ID)
	if fault.KindOf(err) == fault.NotFound {
		n.Text = "not on this machine"
		return n, nil
	}
	if t.Kind == refRun && err == nil {
		v, runErr := b.history.Get(ctx, t.ID)
		at := v.At
		n.At, n.Text = &at, ranLine(v)
		return n, runErr
	}
	if describeDrift(rec, &n) {
		return n, nil
	}
	e, tellErr := b.tell.event(rec)
	if err := errors.Join(err, tellErr); err != nil {
		return n, err
	}
	at := rec.At
	n.At, n.Text = &at, e.text
	return n, nil
}

// size says what a snapshot holds, as the first record that knows it does.
func (b *grapher) size(ctx context.Context, t target) (string, error) {
	words := func(files, bytes int64) string { return cli.FormatNum(files, "file") + ", " + cli.FormatBytes(bytes) }
	for rec, err := range b.ledger.Referring(ctx, t.ID) {
		if err != nil {
			return "", err
		}
		if saved, err := snapshotSaved.Decode(rec); err == nil && saved.Root == t.ID {
			return words(saved.Files, saved.Bytes), nil
		}
		body, _ := runBody(rec)
		for _, o := range body.Outputs {
			if o.Root == t.ID {
				return words(o.Files, o.Bytes), nil
			}
		}
	}
	return "", nil
}
