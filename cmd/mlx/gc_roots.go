package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/audit"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// liveRoots finds every version that must stay.
type liveRoots struct {
	app     *app
	options gcOptions
	store   *snapshot.Store
	now     time.Time
}

// errEnough ends a reading whose consumer wants no more.
var errEnough = errors.New("enough")

// all yields the roots of every clone that uses the store, this one first. A clone that cannot be read is an error: what
// it needs is not known.
func (l liveRoots) all(ctx context.Context) iter.Seq2[snapshot.Root, error] {
	return func(yield func(snapshot.Root, error) bool) {
		each := func(r snapshot.Root) error {
			if !yield(r, nil) {
				return errEnough
			}
			return nil
		}
		if err := l.clones(ctx, each); err != nil && !errors.Is(err, errEnough) {
			yield(snapshot.Root{}, err)
		}
	}
}

func (l liveRoots) clones(ctx context.Context, yield func(snapshot.Root) error) error {
	r, err := l.app.repo()
	if err != nil {
		return err
	}
	ledger, err := l.app.ledger()
	if err != nil {
		return err
	}
	if err := l.pointers(ctx, r, "", yield); err != nil {
		return err
	}
	if err := l.records(ctx, ledger, "", yield); err != nil {
		return err
	}
	clones, err := l.store.Clones()
	if err != nil {
		return err
	}
	for _, c := range clones {
		if c.Dir == r.Home || slices.ContainsFunc(l.options.forget, func(id string) bool { return strings.HasPrefix(c.ID, id) }) {
			continue
		}
		if err := l.other(ctx, r, c, yield); errors.Is(err, errEnough) {
			return err
		} else if err != nil {
			return fault.New(fault.KindOf(err), "cannot tell what the clone in %s needs: %w", c.Dir, err).
				Hint("mlx gc --forget %s   # if it no longer exists", c.ID[:min(12, len(c.ID))])
		}
	}
	return nil
}

// other reads a clone that is not this one: another project, or another repository that shares the store. Projects of
// one git repository share their pointer files' history, which is read once.
func (l liveRoots) other(ctx context.Context, this *repo.Repo, c snapshot.Clone, yield func(snapshot.Root) error) error {
	const of = " of another project"
	if c.Git == "" || c.Git != this.CommonDir {
		r, err := repo.CloneAt(c.Dir, c.Git)
		if err != nil {
			return err
		}
		if err := l.pointers(ctx, r, of, yield); err != nil {
			return err
		}
	}
	ledger, err := lineage.Open(lineage.Options{Dir: filepath.Join(c.Dir, "ledger"), ReadOnly: true})
	if err != nil {
		return err
	}
	return l.records(ctx, ledger, of, yield)
}

// pointers yields what the pointer files of a clone name, wherever git can still bring one back.
func (l liveRoots) pointers(ctx context.Context, r *repo.Repo, of string, yield func(snapshot.Root) error) error {
	for seen, err := range r.PointerRoots(ctx) {
		if err != nil {
			return err
		}
		for _, d := range rootsIn(seen.Data) {
			if err := yield(snapshot.Root{Digest: d, Why: "named by a pointer file in " + seen.Where + of}); err != nil {
				return err
			}
		}
	}
	return nil
}

// records yields what the records of a clone keep.
func (l liveRoots) records(ctx context.Context, ledger *lineage.Ledger, of string, yield func(snapshot.Root) error) error {
	marked, err := tags(ctx, ledger)
	if err != nil {
		return err
	}
	over, err := l.app.predictionsOver()
	if err != nil {
		return err
	}
	k := keeper{options: l.options, since: l.now.Add(-l.options.within), marked: marked, of: of, seen: map[string][]object.Digest{}, yield: yield, over: over}
	for rec, err := range ledger.Select(ctx, lineage.Query{Nouns: []string{"snapshot", "run", "model", "prediction"}, All: true}) {
		if err != nil {
			return err
		}
		if err := k.record(rec); err != nil {
			return err
		}
	}
	if err := pinned(ctx, ledger, of, yield); err != nil {
		return err
	}
	for id, list := range marked {
		if list[0].Target.Kind == refSnapshot {
			if err := yield(snapshot.Root{Digest: id, Why: "tagged" + of}); err != nil {
				return err
			}
		}
	}
	return nil
}

// rootsIn finds every version that the bytes of a pointer file name, both sides of a merge conflict among them.
func rootsIn(data []byte) []object.Digest {
	var all []object.Digest
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "root "); ok {
			if d, err := object.ParseDigest(text); err == nil {
				all = append(all, d)
			}
		}
	}
	return all
}

// keeper decides which records keep the versions that they name. Records come newest first.
type keeper struct {
	options gcOptions
	since   time.Time
	marked  map[object.Digest][]tagBody
	of      string
	seen    map[string][]object.Digest // by path, the newest distinct versions
	yield   func(snapshot.Root) error
	over    func(audit.Sealed) bool // of predictions: mlx.yaml wants them no longer
}

// predictions keeps the log of a service for the time that mlx.yaml says; what another project logged for ever.
func (k keeper) predictions(rec lineage.Record) error {
	body, err := audit.SegmentSealed.Decode(rec)
	if err != nil || k.of == "" && k.over(body) {
		return err
	}
	return k.yield(snapshot.Root{Digest: body.Kept, Why: "predictions of " + body.Service + k.of})
}

func (k keeper) record(rec lineage.Record) error {
	if snapshotSaved.Is(rec) {
		body, err := snapshotSaved.Decode(rec)
		if err != nil {
			return err
		}
		return k.version(rec, body.Path, body.Root, "saved")
	}
	if m, ok := keptModelOf(rec); ok {
		return k.model(rec, m)
	}
	if audit.SegmentSealed.Is(rec) {
		return k.predictions(rec)
	}
	kind := run.Ended
	if run.Started.Is(rec) {
		kind = run.Started
	}
	if !kind.Is(rec) {
		return nil // of a later version: the mlx that wrote it collects for it
	}
	body, err := kind.Decode(rec)
	if err != nil {
		return err
	}
	id, _ := run.IDOf(rec)
	named := map[object.Digest]string{}
	for _, d := range body.Data {
		named[d.Root] = "read by a run"
	}
	for _, o := range body.Outputs {
		named[o.Root] = "written by a run"
		if err := k.version(rec, "output "+o.Path, o.Root, "written by a run"); err != nil {
			return err
		}
	}
	for _, kept := range body.Kept() {
		named[kept.Root] = kept.Why
	}
	for d, why := range named {
		reason := ""
		if len(k.marked[id]) > 0 {
			reason = why + " that is tagged"
		} else if rec.At.After(k.since) {
			reason = why + " within " + k.options.keepWithin
		}
		if reason == "" {
			continue
		}
		if err := k.yield(snapshot.Root{Digest: d, Why: reason + k.of}); err != nil {
			return err
		}
	}
	return nil
}

// model keeps what is registered, however old it is: only erase removes it. A model that was only logged is like an output.
func (k keeper) model(rec lineage.Record, m keptModel) error {
	switch {
	case m.version != "":
		return k.yield(snapshot.Root{Digest: m.root, Why: "registered as a model" + k.of})
	case registry.Logged.Is(rec):
		return k.version(rec, "logged model "+m.path, m.root, "logged as a model")
	}
	return nil // who looked at bytes does not keep them
}

// version keeps a version that is young, or among the newest of its path.
func (k keeper) version(rec lineage.Record, path string, root object.Digest, what string) error {
	if !slices.Contains(k.seen[path], root) {
		k.seen[path] = append(k.seen[path], root)
	}
	reason := ""
	switch {
	case rec.At.After(k.since):
		reason = what + " within " + k.options.keepWithin
	case slices.Index(k.seen[path], root) < k.options.keepLast:
		reason = fmt.Sprintf("among the newest %d of a path", k.options.keepLast)
	default:
		return nil
	}
	return k.yield(snapshot.Root{Digest: root, Why: reason + k.of})
}
