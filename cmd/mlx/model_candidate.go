package main

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// candidate is bytes that are about to become a version of a model.
type candidate struct {
	body     registry.Registration // without a model
	from     *registry.Version     // the version that was named, if it was one
	releases []func() error
	app      *app
}

// release lets gc have what was saved and is in no record.
func (c candidate) release() { c.app.free(c.releases) }

// candidate finds the bytes that a reference names, and who made them.
func (a *app) candidate(ctx context.Context, ref string) (candidate, error) {
	c := candidate{app: a}
	t, err := a.resolve(ctx, ref)
	if err != nil {
		return c, err
	}
	switch t.Kind {
	case refRun:
		err = c.ofRun(ctx, t)
	case refModel:
		err = c.ofVersion(ctx, t)
	case refPath:
		err = c.ofPath(ctx, t)
	case refSnapshot:
		err = c.ofSnapshot(ctx, t)
	default:
		err = fault.New(fault.Usage, "cannot register %s: it is no run, no snapshot, no model and no path", t.short()).Hint("mlx model register NAME @last:PATH")
	}
	if err == nil {
		err = c.look(ctx)
	}
	if err != nil {
		c.release()
	}
	return c, err
}

// ofVersion takes a version of a model once more, under this or another name.
func (c *candidate) ofVersion(ctx context.Context, t target) error {
	if t.Inner != "" {
		return c.ofInner(ctx, t)
	}
	_, v, err := c.app.modelVersion(ctx, t)
	if err != nil {
		return err
	}
	c.body, c.from = v.Registration, v
	c.body.Version, c.body.Tags = 0, nil
	return nil
}

// ofRun takes what a run wrote: an output, a model that it logged, or what lies in one of them.
func (c *candidate) ofRun(ctx context.Context, t target) error {
	rec, err := c.app.recordOfRun(ctx, t.ID)
	if err != nil {
		return err
	}
	body, ok := runBody(rec)
	if !ok {
		return fault.New(fault.Integrity, "cannot read record %s: it is no record of a run", rec.ID.Short())
	}
	id := t.ID
	inner := t.Inner
	var named []string
	for _, m := range body.Models {
		named = append(named, m.Name)
	}
	for _, o := range body.Outputs {
		named = append(named, o.Path)
	}
	if inner == "" {
		if len(named) != 1 {
			return c.which(t, named)
		}
		inner = named[0]
	}
	for _, m := range slices.Backward(body.Models) { // of several with one name the last
		if (m.Name == inner || m.ID == inner) && !m.Root.IsZero() {
			c.body = registry.Registration{Root: m.Root, Digest: m.Root, Kind: string(snapshot.Directory), Path: m.Name, Files: m.Files, Bytes: m.Bytes,
				Run: &id, Logged: m.ID, Format: m.Format}
			return nil
		}
	}
	for _, o := range body.Outputs {
		if o.Path == inner {
			c.body = registry.Registration{Root: o.Root, Digest: o.Digest, Kind: o.Kind, Path: o.Path, Files: o.Files, Bytes: o.Bytes, Run: &id}
			return nil
		}
	}
	for _, o := range body.Outputs {
		if within(inner, o.Path) {
			return c.part(ctx, located{Path: o.Path, Root: o.Root, Inner: strings.TrimPrefix(inner, o.Path+"/")}, &id)
		}
	}
	if artifacts := trackedArtifacts(body); !artifacts.IsZero() {
		return c.part(ctx, located{Path: "", Root: artifacts, Inner: inner}, &id)
	}
	return c.which(t, named)
}

// trackedArtifacts is the snapshot of the files that an MLflow client logged.
func trackedArtifacts(b run.Body) object.Digest {
	if b.Tracking == nil || b.Tracking.Artifacts == nil {
		return object.Digest{}
	}
	return b.Tracking.Artifacts.Root
}

// which is the error for a run of which it is not clear, or not true, that it wrote what was asked for.
func (c *candidate) which(t target, named []string) error {
	if len(named) == 0 {
		return fault.New(fault.NotFound, "cannot register %s: it declared no outputs and logged no model", t.short()).Hint("mlx run -o PATH COMMAND   # records what it writes")
	}
	err := fault.New(fault.Usage, "cannot register %s: it wrote %s; which of them is the model?", t.short(), strings.Join(named[:min(len(named), 5)], ", "))
	if t.Inner != "" {
		err = fault.New(fault.NotFound, "cannot register %s of %s: it wrote %s", t.Inner, t.short(), strings.Join(named[:min(len(named), 5)], ", "))
	}
	near := fault.Nearest(t.Inner, named)
	if near == "" {
		near = named[0]
	}
	return err.Hint("%s", c.app.retyped(c.typed(), t.certain()+":"+near))
}

// typed is the reference as it was typed: the last word that is no flag.
func (c *candidate) typed() string {
	if n := len(c.app.args); n > 3 {
		return c.app.args[3]
	}
	return ""
}

// ofPath takes a path of the work tree: as a run wrote it or a pointer names it, else as it is now.
func (c *candidate) ofPath(ctx context.Context, t target) error {
	tracked, err := c.app.tracked(ctx, t)
	if err != nil {
		return err
	}
	if tracked.Kind == refSnapshot {
		return c.ofSnapshot(ctx, tracked)
	}
	written, err := c.app.written(ctx, t)
	if err != nil {
		return err
	}
	if id, ok := run.IDOf(written.Record); ok && written.Kind == refSnapshot {
		return c.ofRun(ctx, target{Kind: refRun, ID: id, Inner: t.Name})
	}
	r, err := c.app.repo()
	if err != nil {
		return err
	}
	if t.Name == "." {
		return fault.New(fault.Usage, "cannot register the whole project as a model").Hint("mlx model register NAME ./PATH")
	}
	return c.save(ctx, r.Abs(t.Name), t.Name)
}

// save keeps a file or folder that is in no snapshot yet.
func (c *candidate) save(ctx context.Context, file, name string) error {
	store, err := c.app.store()
	if err != nil {
		return err
	}
	progress := c.app.streams.Progress("reading", "bytes", 0)
	kept, err := store.Save(ctx, snapshot.SaveOptions{Path: file, Progress: progress})
	progress.Done()
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot register %s: %w", c.app.shown(name), err)
	}
	c.releases = append(c.releases, kept.Release)
	c.body = registry.Registration{Root: kept.Root, Kind: string(kept.Summary.Kind), Path: name, Files: kept.Summary.Files, Bytes: kept.Summary.Bytes}
	return nil
}

// ofSnapshot takes a version of data, or what lies in it.
func (c *candidate) ofSnapshot(ctx context.Context, t target) error {
	if t.Inner != "" {
		return c.ofInner(ctx, t)
	}
	store, err := c.app.store()
	if err != nil {
		return err
	}
	sum, err := store.Stat(ctx, t.ID)
	if err != nil {
		return c.app.notHere(ctx, err, t.Name, t.ID)
	}
	c.body = registry.Registration{Root: t.ID, Path: t.Name, Files: sum.Files, Bytes: sum.Bytes}
	return c.maker(ctx, t, sum)
}

// maker finds the run that wrote a snapshot first, and by it whether that is a single file: its bytes do not tell.
func (c *candidate) maker(ctx context.Context, t target, sum snapshot.Summary) error {
	l, err := c.app.ledger()
	if err != nil {
		return err
	}
	c.body.Kind = string(sum.Kind)
	var first uint64
	for rec, err := range l.Referring(ctx, t.ID) {
		if err != nil {
			return err
		}
		if saved, err := snapshotSaved.Decode(rec); err == nil && saved.Root == t.ID {
			c.body.Kind = saved.Kind
		}
		if reg, err := registry.Registered.Decode(rec); err == nil && reg.Root == t.ID {
			c.body.Kind = reg.Kind
		}
		body, ok := runBody(rec)
		id, isRun := run.IDOf(rec)
		if !ok || !isRun || c.body.Run != nil && (rec.LC > first || body.RerunOf != "") {
			continue
		}
		for _, o := range body.Outputs {
			if o.Root == t.ID {
				c.body.Run, c.body.Kind, c.body.Digest, first = &id, o.Kind, o.Digest, rec.LC
			}
		}
	}
	return nil
}

// ofInner takes a file or folder inside a version.
func (c *candidate) ofInner(ctx context.Context, t target) error {
	t, err := c.app.versionBytes(ctx, t)
	if err != nil {
		return err
	}
	if t.Inner == "" {
		return c.ofSnapshot(ctx, t)
	}
	return c.part(ctx, located{Path: t.Name, Root: t.ID, Inner: t.Inner}, nil)
}

// part makes a snapshot of its own of what lies inside one: a version of a model is bytes by themselves.
func (c *candidate) part(ctx context.Context, l located, made *object.Digest) error {
	store, err := c.app.store()
	if err != nil {
		return err
	}
	r, err := c.app.repo()
	if err != nil {
		return err
	}
	files, err := store.FS(ctx, l.Root)
	if err == nil {
		_, err = fs.Stat(files, l.Inner)
	}
	if err != nil {
		return fault.New(fault.NotFound, "cannot register %s: %w", path.Join(l.Path, l.Inner), err).Hint("mlx ls %s:", l.Root.Short())
	}
	if err := os.MkdirAll(r.Tmp(), 0o777); err != nil {
		return fault.New(fault.KindOf(err), "cannot make a temporary folder: %w", err)
	}
	dir, err := os.MkdirTemp(r.Tmp(), "model-*")
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot make a temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	p := piece{located: l}
	to := filepath.Join(dir, "all")
	if _, err := store.Checkout(ctx, snapshot.CheckoutOptions{Path: to, To: l.Root, Kind: snapshot.Directory, Only: p.all()}); err != nil {
		return fault.New(fault.KindOf(err), "cannot register %s: %w", p.name(), err)
	}
	if err := c.save(ctx, filepath.Join(to, filepath.FromSlash(l.Inner)), p.name()); err != nil {
		return err
	}
	c.body.Run = made
	return nil
}

// look completes what the bytes themselves say: the digest that evidence is bound to, and the format.
func (c *candidate) look(ctx context.Context) error {
	if c.from != nil {
		return nil
	}
	store, err := c.app.store()
	if err != nil {
		return err
	}
	files, err := store.FS(ctx, c.body.Root)
	if err != nil {
		return c.app.notHere(ctx, err, c.body.Path, c.body.Root)
	}
	if c.body.Kind == string(snapshot.Directory) {
		c.body.Digest = c.body.Root
	} else if c.body.Digest.IsZero() {
		entries, err := fs.ReadDir(files, ".")
		if err != nil || len(entries) != 1 {
			return fault.New(fault.Integrity, "cannot register %s: it is not the snapshot of a single file", c.body.Path)
		}
		if c.body.Digest, err = store.FileDigest(ctx, c.body.Root, entries[0].Name()); err != nil {
			return err
		}
	}
	if c.body.Bytes == 0 {
		return fault.New(fault.Usage, "cannot register %s: it is empty", c.body.Path).Hint("mlx ls %s:", c.body.Root.Short())
	}
	known := registry.Look(files)
	if c.body.Format == "" {
		c.body.Format = known.Format
	}
	if c.body.Signature == nil {
		c.body.Signature = known.Signature
	}
	return nil
}
