package main

import (
	"context"
	"path"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

// reach opens the remotes that the user has allowed and reads their logs. One that cannot be reached is named, and left.
func (e *erasing) reach(ctx context.Context) error {
	names, err := e.a.remoteNames(e.o.remote)
	if err != nil {
		return err
	}
	for _, name := range names {
		v := eraseRemoteView{Name: name, Failed: []string{}}
		if v.rem, err = e.a.openRemote(ctx, name); err == nil {
			_, err = v.rem.Sync(ctx)
		}
		if err == nil && !v.rem.RecordsOnly() {
			err = v.rem.FetchTrees(ctx)
		}
		if fault.KindOf(err) == fault.NotFound && v.rem != nil {
			if _, begun := v.rem.Head(); !begun {
				continue // it is empty
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			cause := err.Error()
			v.Cause, v.rem = &cause, nil
		}
		e.view.Remotes = append(e.view.Remotes, v)
	}
	return nil
}

// remoteNames lists the remotes of mlx.yaml, or the one that was asked for.
func (a *app) remoteNames(one string) ([]string, error) {
	if one != "" {
		_, name, err := a.chosenRemote(one)
		return []string{name}, err
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	return c.Remotes.Names(), nil
}

// apply fetches what must stay, erases here, says so in the records, and erases at the remotes.
func (e *erasing) apply(ctx context.Context, store *snapshot.Store) error {
	l, err := e.a.ledger()
	if err != nil {
		return err
	}
	for _, r := range e.view.Remotes {
		if r.rem == nil || r.rem.RecordsOnly() {
			continue
		}
		if err := r.rem.PrepareErase(ctx, e.plan.IDs); err != nil {
			return fault.New(fault.KindOf(err), "cannot erase in %s: %w", r.rem.Describe(), err)
		}
	}
	fresh, err := e.fresh(store)
	if err != nil {
		return err
	}
	if fresh {
		if err := store.ApplyErase(ctx, e.plan); err != nil {
			return err
		}
		body := remote.Erased{Roots: e.roots, Path: e.inside, Basis: e.o.basis, Objects: e.plan.Objects, Bytes: e.plan.Bytes,
			Gone: e.plan.IDs, Remotes: []string{}}
		for _, r := range e.view.Remotes {
			body.Remotes = append(body.Remotes, r.Name)
		}
		ids, err := remote.RecordErasure(ctx, l, body, e.sign)
		if err != nil {
			return err
		}
		e.view.Records, e.view.Changed = hexes(ids), true
	}
	for i := range e.view.Remotes {
		r := &e.view.Remotes[i]
		if r.rem == nil {
			continue
		}
		if err := r.erase(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			cause := err.Error()
			r.Cause = &cause
			continue
		}
		r.Done = true
		e.view.Changed = e.view.Changed || r.Packs > 0
	}
	return nil
}

// fresh says whether the plan names anything that was not erased before.
func (e *erasing) fresh(store *snapshot.Store) (bool, error) {
	before, err := store.Erased()
	return slices.ContainsFunc(e.plan.IDs, func(d object.Digest) bool { return !before[d] }), err
}

func hexes(ids []object.Digest) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.Hex()
	}
	return out
}

// erase removes from one remote what the records say. A place for records only learns of it.
func (r *eraseRemoteView) erase(ctx context.Context) error {
	if r.rem.RecordsOnly() {
		_, err := r.rem.Push(ctx, remote.PushOptions{})
		return err
	}
	done, err := r.rem.ApplyErasures(ctx)
	if err != nil {
		return err
	}
	r.Packs = done.Packs
	for _, f := range done.Failed {
		r.Failed = append(r.Failed, f.Key+": "+f.Cause.Error())
	}
	return nil
}

func (e *erasing) text(t *cli.Text, word string) {
	v := e.view
	if word == "erased" && !v.Changed {
		t.Line(cli.Str("nothing changed"), cli.ID(e.roots[0]), cli.Path(e.a.shown(path.Join(v.Snapshot.Name, e.inside))))
	} else {
		t.Line(cli.Str(word), cli.ID(e.roots[0]), cli.Path(e.a.shown(path.Join(v.Snapshot.Name, e.inside))), cli.Num(v.Objects, "object"), cli.Bytes(v.Bytes))
	}
	for _, s := range v.Shared {
		t.Indented(2, cli.Str("shared with"), cli.Hex(s.ID, 12), cli.Str(s.Name))
	}
	for i, m := range v.Models {
		t.Indented(2, cli.Word(cli.RoleWarn, "bytes of"), cli.Str(m.Name), cli.Str(string(e.stages[i])))
	}
	eraseRemotesText(v.Remotes, word, t)
	if word == "erased" && v.Changed {
		e.a.streams.Note("other clones erase it at their next pull or push; copies outside mlx, work trees among them, are yours to find")
	}
}

func eraseRemotesText(list []eraseRemoteView, word string, t *cli.Text) {
	for _, r := range list {
		switch {
		case r.Cause != nil:
			t.Line(cli.Word(cli.RoleWarn, "not yet"), cli.Str("remote "+r.Name), cli.Str(strings.ReplaceAll(*r.Cause, "\n", " ")))
		case word == "erased":
			t.Line(cli.Str(word), cli.Str("remote "+r.Name), cli.Num(int64(r.Packs), "pack"))
		default:
			t.Line(cli.Str(word), cli.Str("remote "+r.Name))
		}
		for _, f := range r.Failed {
			t.Line(cli.Word(cli.RoleFail, "not deleted"), cli.Str("remote "+r.Name), cli.Str(f))
		}
	}
}

// eraseRecord removes the bytes of a record, here and at the remotes.
func (a *app) eraseRecord(ctx context.Context, o eraseOptions, sign func([]byte, string) (string, string, error)) error {
	l, err := a.ledger()
	if err != nil {
		return err
	}
	t, err := a.resolve(ctx, o.ref)
	if err != nil {
		return err
	}
	id := t.Record.ID
	if id.IsZero() {
		return fault.New(fault.Usage, "cannot redact %s: it is no record", o.ref).Hint("mlx log")
	}
	v := eraseView{Kind: "erase/v1", Record: some(id.Hex()), Basis: o.basis, Remotes: []eraseRemoteView{}, Shared: []fault.Ref{}, Records: []string{}, Models: []fault.Ref{}}
	show := func(word string) func(*cli.Text) {
		return func(t *cli.Text) {
			t.Line(cli.Str(word), cli.Str("record"), cli.ID(id))
			eraseRemotesText(v.Remotes, word, t)
		}
	}
	e := &erasing{a: a, o: o}
	if err := e.reach(ctx); err != nil {
		return err
	}
	v.Remotes = e.view.Remotes
	if o.dryRun {
		plan := planView{Kind: "plan/v1", Command: "erase", Applies: true, Needs: []planNeed{}, Classes: []snapshot.GCClass{},
			Steps: []planStep{{Do: "redact", What: "record " + id.Hex(), Why: o.basis}}}
		return a.streams.Emit(plan, show("would erase"))
	}
	if !o.yes {
		if err := a.ask(ctx, "erase the bytes of this record for good?", show("would erase")); err != nil {
			return err
		}
	}
	private, err := a.readFile(o.key, maxKeyFile)
	if err != nil {
		return err
	}
	done, err := l.Redact(ctx, id, o.basis, private, nil)
	if err != nil {
		return err
	}
	v.Records, v.Changed = []string{done.ID.Hex()}, true
	signer, err := remoteSigner(sign)
	if err != nil {
		return err
	}
	for i := range v.Remotes {
		if r := &v.Remotes[i]; r.rem != nil {
			r.redact(ctx, signer)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	slices.Sort(v.Records)
	return a.streams.EmitVerdict(v, false, show("erased"))
}

// remoteSigner signs entries of logs as a key does that has been read.
func remoteSigner(sign func([]byte, string) (string, string, error)) (*remote.Signer, error) {
	key, _, err := sign([]byte("mlx"), remote.SignNamespace)
	if err != nil {
		return nil, err
	}
	return &remote.Signer{Fingerprint: key, Sign: func(text []byte) (string, error) {
		_, sig, err := sign(text, remote.SignNamespace)
		return sig, err
	}}, nil
}

// redact removes redacted bytes from one remote.
func (r *eraseRemoteView) redact(ctx context.Context, by *remote.Signer) {
	n, failed, err := r.rem.Redact(ctx, by)
	r.Packs = n
	for _, f := range failed {
		r.Failed = append(r.Failed, f.Key+": "+f.Cause.Error())
	}
	if err != nil {
		cause := err.Error()
		r.Cause = &cause
		return
	}
	r.Done = true
}
