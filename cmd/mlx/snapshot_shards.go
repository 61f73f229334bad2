package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
	"mlx/internal/source"
)

// check refuses flags that do not belong together.
func (o *snapshotOptions) check() (err error) {
	name := "PATH"
	if len(o.paths) > 0 {
		name = shellWord(o.paths[0])
	}
	if o.divided, err = o.shards.asked("snapshot "+name, o.divided); err != nil {
		return err
	}
	switch {
	case (o.shard == "") != (o.out == ""):
		return fault.New(fault.Usage, "a part is reported in a file: --shard and -o belong together").Hint("mlx snapshot PATH --shard 1/4 -o FILE")
	case o.shard != "" && (o.divided || len(o.tags) > 0 || o.message != "" || o.dryRun):
		return fault.New(fault.Usage, "--shard keeps a part, which is no version to be named").Hint("mlx snapshot %s --shard 1/4 -o FILE", name)
	case o.ownRules && (o.shard == "" || !filepath.IsAbs(o.from)):
		return fault.New(fault.Usage, "--own-rules is for a part of a folder that --from names").Hint("mlx snapshot PATH --from /DIR --own-rules --shard 1/4 -o FILE")
	case o.from != "" && !o.divided && o.shard == "":
		return fault.New(fault.Usage, "--from says where the nodes of a backend find the data, and --on is missing").
			Hint("mlx snapshot %s --from %s --on BACKEND --shards 4", name, shellWord(source.Plain(o.from))).
			Hint("mlx import %s %s   # reads it here", shellWord(source.Plain(o.from)), name)
	case o.dryRun && !o.divided:
		return fault.New(fault.Usage, "--dry-run is for what runs elsewhere, and --on is missing").Hint("mlx status   # shows what a snapshot would save")
	case (o.divided || o.shard != "") && len(o.paths) != 1:
		return fault.New(fault.Usage, "one folder at a time is divided, not %s", cli.FormatNum(int64(len(o.paths)), "path")).
			Hint("mlx snapshot PATH --on BACKEND --shards 4")
	}
	return nil
}

// dividedSnapshot is a snapshot that runs on a backend make.
type dividedSnapshot struct {
	saver
	data    shardData
	source  *source.Source // in a bucket
	pointer snapshot.Pointer
	backend repo.Backend
	seen    *seenData // nil: it cannot be seen from here
}

// snapshotInShards saves a folder by runs on a backend, each of which reads a part of it.
func (a *app) snapshotInShards(ctx context.Context, o snapshotOptions) error {
	if err := o.checkTags(1); err != nil {
		return err
	}
	d, err := a.divideSnapshot(ctx, o)
	if err != nil {
		return err
	}
	if o.dryRun {
		return d.dryRun(ctx)
	}
	texts, err := a.inShards(ctx, d.work())
	if err != nil {
		return err
	}
	parts, err := partsIn[snapshotShard](texts, snapshotShardKind)
	if err == nil {
		err = d.agree(parts)
	}
	if err != nil {
		return err
	}
	done, err := d.finish(ctx, parts)
	if err != nil {
		return err
	}
	if err := a.emitSaved(ctx, d.repo, o, []saved{done}); err != nil || o.from == "" {
		return err
	}
	if d.stays() {
		a.streams.Hint("mlx pull "+a.typed(d.data.rel), "brings it here")
	} else {
		a.streams.Hint("mlx checkout "+a.typed(d.data.rel), "puts it there")
	}
	return nil
}

// divideSnapshot finds out what is saved, and refuses what cannot be before anything is done.
func (a *app) divideSnapshot(ctx context.Context, o snapshotOptions) (*dividedSnapshot, error) {
	i, err := a.importer()
	if err != nil {
		return nil, err
	}
	defer i.close()
	d := &dividedSnapshot{saver: i.saver}
	d.options = o
	if d.backend, err = a.backend(o.shards.on); err != nil {
		return nil, err
	}
	if o.from == "" {
		err = d.here(ctx)
	} else {
		err = d.there(ctx, i)
	}
	if err == nil {
		err = d.mayStay(ctx)
	}
	if err != nil || d.seen == nil {
		return d, err
	}
	if n := len(d.seen.files); n < o.shards.n {
		e := fault.New(fault.Usage, "cannot divide %s of %s among %d shards", cli.FormatNum(int64(n), "file"), d.data.shown(), o.shards.n)
		if n > 1 {
			e = e.Hint("mlx snapshot %s --on %s --shards %d", shellWord(o.paths[0]), shellWord(o.shards.on), n)
		}
		return nil, e
	}
	return d, nil
}

// here is about a folder of the project, which nodes find under the name that it has here.
func (d *dividedSnapshot) here(ctx context.Context) error {
	a, o := d.app, d.options
	paths, err := a.pathsToSave(ctx, d.repo, o.paths)
	if err != nil {
		return err
	}
	if len(paths) != 1 {
		return fault.New(fault.Usage, "one folder at a time is divided, and in %s there are %d", o.paths[0], len(paths)).
			Hint("mlx snapshot %s --on %s --shards %d", a.typed(paths[0]), shellWord(o.shards.on), o.shards.n)
	}
	if err := d.at(paths[0], d.repo.Abs(paths[0])); err != nil {
		return err
	}
	seen, err := lookAtFolder(ctx, d.data.place, d.data.ignore)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot snapshot %s in shards: %w", a.shown(d.data.rel), err)
	}
	d.seen = &seen
	return nil
}

// there is about data that lies where nodes see it.
func (d *dividedSnapshot) there(ctx context.Context, i *importer) error {
	a, o := d.app, d.options
	rel, err := d.repo.Rel(strings.TrimSuffix(o.paths[0], repo.PointerExt))
	if err != nil {
		return err
	}
	place := o.from
	if strings.HasPrefix(place, "file:///") {
		place = strings.TrimPrefix(place, "file://")
	}
	if err := d.at(rel, place); err != nil {
		return err
	}
	if _, err := os.Lstat(d.repo.Abs(rel)); err == nil {
		return fault.New(fault.Conflict, "cannot make %s a version of %s: something lies there", a.shown(rel), d.data.shown()).
			Hint("mlx snapshot %s --on %s --shards %d   # reads what lies here", a.typed(rel), shellWord(o.shards.on), o.shards.n)
	}
	if d.pointer.Root.IsZero() {
		if err := i.mayBecomeData(ctx, rel); err != nil {
			return err
		}
	}
	if d.source, err = d.data.bucket(); err != nil {
		return err
	}
	switch {
	case d.source != nil:
		if seen, err := lookAtBucket(ctx, i.fetch, *d.source, d.data.ignore); err == nil {
			d.seen = &seen
		} else {
			a.streams.Why("cannot list %s from here: %v", d.data.shown(), err) // nodes may well have what it takes
		}
	case d.backend.Type == "" || d.backend.Type == localBackend:
		dir, err := filepath.EvalSymlinks(d.data.place) // as a node does
		var seen seenData
		if err == nil {
			seen, err = lookAtFolder(ctx, dir, d.data.ignore)
		}
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot read %s: %w", d.data.place, err)
		}
		d.seen = &seen
	}
	return nil
}

func (d *dividedSnapshot) at(rel, place string) (err error) {
	d.data = shardData{rel: rel, place: place}
	if d.pointer, _, err = d.app.pointerAt(d.repo, rel); err != nil {
		return err
	}
	d.data.ignore, err = d.repo.Matcher(rel)
	return err
}

// stays says whether the bytes go to the remote of the backend, and no further.
func (d *dividedSnapshot) stays() bool { return d.options.from != "" && d.backend.Remote != "" }

// mayStay refuses a region that the version is to be tagged with and that is not where it is read or goes to.
func (d *dividedSnapshot) mayStay(ctx context.Context) error {
	where := map[string]string{"backend " + d.options.shards.on: d.backend.Region}
	if d.backend.Remote != "" {
		c, name, err := d.app.trustedRemote(ctx, d.backend.Remote)
		if err != nil {
			return err
		}
		where["remote "+name] = c.Region
	}
	for _, word := range d.options.tags {
		t, err := parseTag(word)
		if err != nil {
			return err
		}
		for _, at := range sortedKeys(where) {
			if t.Name == regionTag && t.Value != where[at] {
				return fault.New(fault.Denied, "cannot snapshot %s on %s: it has to stay in region %s, and %s is in another one, or in none", d.app.shown(d.data.rel), d.options.shards.on, t.Value, at).
					Hint("mlx backend list   # a backend and a remote with region: %s", t.Value)
			}
		}
	}
	return nil
}

// work is what the shards do.
func (d *dividedSnapshot) work() shardWork {
	o := d.options
	w := shardWork{flags: o.shards, what: "snapshot " + d.data.rel, ending: ".json", most: maxSnapshotShard, aside: []string{d.data.rel}, fresh: o.fresh, stays: d.stays()}
	if d.seen != nil {
		w.source = d.seen.state.Hex()
	}
	w.command = func(i int, out string) []string {
		words := []string{"mlx", "snapshot", asArgument(d.data.rel), "--from", d.data.place, "--shard", fmt.Sprintf("%d/%d", i+1, o.shards.n), "-o", out}
		if o.from == "" {
			words = append(words, "--own-rules")
		}
		return words
	}
	return w
}

// agree holds that all shards looked at the same folder: it neither changed meanwhile, nor is it another one on another node.
func (d *dividedSnapshot) agree(parts []snapshotShard) error {
	other := slices.IndexFunc(parts, func(p snapshotShard) bool { return p.Names != parts[0].Names })
	if other > 0 {
		return fault.New(fault.Conflict, "cannot snapshot %s: shard 1 saw %s there and shard %d %s, not the same: it changed meanwhile, or nodes do not share it",
			d.data.shown(), cli.FormatNum(parts[0].All, "file"), other+1, cli.FormatNum(parts[other].All, "file")).Hint("mlx snapshot %s … --fresh   # reads all of it again", shellWord(d.options.paths[0]))
	}
	if d.options.from == "" && parts[0].Names != d.seen.names {
		return fault.New(fault.Conflict, "cannot snapshot %s: nodes of %s saw other files there than lie here: it changed meanwhile, or they do not share this disk",
			d.app.shown(d.data.rel), d.options.shards.on).Hint("mlx snapshot %s   # reads what lies here", d.app.typed(d.data.rel))
	}
	return nil
}

// rootsOfParts are the versions that shards made.
func rootsOfParts(parts []snapshotShard) []object.Digest {
	var all []object.Digest
	for _, p := range parts {
		if !slices.Contains(all, p.Root) {
			all = append(all, p.Root)
		}
	}
	return all
}
