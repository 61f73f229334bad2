package main

import (
	"context"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// maxChanges is how many changed files a terminal gets for one path; -q and pipes are not cut.
const maxChanges = 50

// pair is one path in the two versions that are compared. Zero is absent.
type pair struct {
	path string
	a, b object.Digest
	here bool // b is what lies on disk
}

// diffData compares the data of none, one or two targets.
func (a *app) diffData(ctx context.Context, found []target, paths []string) error {
	now, err := a.versionsNow(ctx)
	if err != nil {
		return err
	}
	for i, t := range found {
		if found[i], err = a.comparable(ctx, t); err != nil {
			return err
		}
		if found[i].Kind == refSnapshot && found[i].Inner != "" {
			paths = append(paths, path.Join(found[i].Name, found[i].Inner))
		}
	}
	sides := [2]fault.Ref{refOf("saved", "", "last snapshots"), refOf("here", "", "files here")}
	left, right := now, now
	if len(found) > 0 {
		sides[0] = versionOrSelf(found[0])
		if left, err = a.versions(ctx, found[0]); err != nil {
			return err
		}
	}
	if len(found) == 2 {
		sides[1] = versionOrSelf(found[1])
		if right, err = a.versions(ctx, found[1]); err != nil {
			return err
		}
	}
	if len(found) == 1 && found[0].Kind == refSnapshot { // one version of one path: the rest of what is here is no difference
		right = slices.DeleteFunc(slices.Clone(right), func(d dataAt) bool { return d.Path != found[0].Name })
	}
	v := newDiffView(sides[0], sides[1])
	if len(found) == 2 && found[0].Inner+found[1].Inner == "" {
		v.Model = versionChanges(found[0].Version, found[1].Version)
	}
	for _, p := range pairs(left, right, len(found) < 2) {
		if !touched(p.path, paths) {
			continue
		}
		if err := a.comparePair(ctx, &v, p, paths); err != nil {
			return err
		}
	}
	v.Equal = len(v.Data) == 0
	return a.emitDiff(v, v.Equal, func(t *cli.Text) { a.dataText(v, found, t) })
}

// comparable finds the snapshot of a path: of tracked data the one that its pointer names, of what a run wrote the one
// that keeps it. A folder may also hold several tracked paths.
func (a *app) comparable(ctx context.Context, t target) (target, error) {
	found, err := a.tracked(ctx, t)
	if err != nil || found.Kind != refPath {
		return found, err
	}
	if found, err = a.written(ctx, found); err != nil || found.Kind != refPath {
		return found, err
	}
	r, err := a.repo()
	if err != nil {
		return found, err
	}
	if below, err := a.versionsBelow(ctx, found.Name, nil); err != nil || len(below) > 0 {
		return found, err
	}
	return found, a.untracked(r, "diff", a.shown(found.Name), found.Name)
}

// pairs joins two versions by path. Two snapshots of one path each are compared whatever their paths are called.
func pairs(left, right []dataAt, here bool) []pair {
	if len(left) == 1 && len(right) == 1 && !here {
		return []pair{{left[0].Path, left[0].Root, right[0].Root, false}}
	}
	all := make(map[string]pair)
	for _, d := range left {
		all[d.Path] = pair{d.Path, d.Root, object.Digest{}, here}
	}
	for _, d := range right {
		p := all[d.Path]
		p.path, p.b, p.here = d.Path, d.Root, here
		all[d.Path] = p
	}
	out := make([]pair, 0, len(all))
	for _, k := range sortedKeys(all) {
		out = append(out, all[k])
	}
	return out
}

// comparePair adds the differences of one path.
func (a *app) comparePair(ctx context.Context, v *diffView, p pair, paths []string) error {
	changes, err := a.changes(ctx, p)
	if err != nil {
		return err
	}
	file, err := a.isFile(ctx, p)
	if err != nil {
		return err
	}
	for c, err := range changes {
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot compare %s: %w", p.path, err)
		}
		whole := path.Join(p.path, c.Path)
		if c.Path == path.Base(p.path) && file {
			whole = p.path
		}
		if len(paths) > 0 && !slices.ContainsFunc(paths, func(want string) bool { return within(whole, want) }) {
			continue
		}
		v.Data = append(v.Data, dataChange{Path: whole, Change: string(c.Action), BytesDelta: c.BytesDelta, data: p.path})
	}
	return nil
}

// changes yields how b differs from a, or how the files here do.
func (a *app) changes(ctx context.Context, p pair) (iter.Seq2[snapshot.Change, error], error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	if !p.here {
		return store.Diff(ctx, p.a, p.b), nil
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	ignore, err := r.Matcher(p.path)
	if err != nil {
		return nil, err
	}
	return store.Status(ctx, snapshot.StatusOptions{Path: r.Abs(p.path), Base: p.a, Ignore: ignore}), nil
}

// isFile reports whether a path is a single file, which the bytes of a version do not tell: the pointer file knows, or
// a record that names the version.
func (a *app) isFile(ctx context.Context, p pair) (bool, error) {
	r, err := a.repo()
	if err != nil {
		return false, err
	}
	if pointer, ok, err := a.pointerAt(r, p.path); err == nil && ok {
		return pointer.Kind == snapshot.File, nil
	}
	l, err := a.ledger()
	if err != nil {
		return false, err
	}
	for _, root := range []object.Digest{p.a, p.b} {
		if root.IsZero() {
			continue
		}
		if kind, err := kindOfRoot(ctx, l, root); err != nil || kind != "" {
			return kind == string(snapshot.File), err
		}
	}
	return false, nil
}

// kindOfRoot is what the records say a snapshot is of, "file" or "directory"; empty when none says so. Thousands of runs may
// have read it, so the index is asked for the one record that knows.
func kindOfRoot(ctx context.Context, l *lineage.Ledger, root object.Digest) (string, error) {
	saved := lineage.Query{Nouns: []string{"snapshot"}, Where: "root == " + strconv.Quote(root.String()), Limit: 1}
	for rec, err := range l.Select(ctx, saved) {
		if err != nil {
			return "", err
		}
		if body, err := snapshotSaved.Decode(rec); err == nil {
			return body.Kind, nil
		}
	}
	made := lineage.Query{Nouns: []string{"run"}, Where: "outputs.root == " + strconv.Quote(root.String()), Limit: 1}
	for rec, err := range l.Select(ctx, made) {
		if err != nil {
			return "", err
		}
		body, _ := runBody(rec)
		for _, o := range body.Outputs {
			if o.Root == root {
				return o.Kind, nil
			}
		}
	}
	return "", nil
}

// tally counts changes by action.
type tally struct {
	added, changed, removed, bytes int64
}

func count(changes []dataChange) tally {
	var n tally
	for _, c := range changes {
		n.bytes += c.BytesDelta
		switch c.Change {
		case string(snapshot.Added):
			n.added++
		case string(snapshot.Removed):
			n.removed++
		default:
			n.changed++
		}
	}
	return n
}

// words says a tally as "1 file added, 2 removed, +2.6 MB".
func (n tally) words() string {
	var parts []string
	for _, p := range []struct {
		n    int64
		word string
	}{{n.added, "added"}, {n.changed, "changed"}, {n.removed, "removed"}} {
		switch {
		case p.n == 0:
		case len(parts) == 0:
			parts = append(parts, cli.FormatNum(p.n, "file")+" "+p.word)
		default:
			parts = append(parts, cli.FormatCount(p.n)+" "+p.word)
		}
	}
	sign := ""
	if n.bytes >= 0 {
		sign = "+"
	}
	return strings.Join(append(parts, sign+cli.FormatBytes(n.bytes)), ", ")
}

func (a *app) dataText(v diffView, found []target, t *cli.Text) {
	if v.Equal {
		t.Heading(cli.Str("same: data"))
		return
	}
	switch {
	case len(v.Model) > 0:
		c := newComparison(t, v.A.ID, v.B.ID)
		c.head[1], c.head[2] = cli.Str(v.A.Name), cli.Str(v.B.Name)
		c.versionRows(v.Model)
		c.write()
	case len(found) > 0:
		other := cli.Str(v.B.Name)
		if len(found) == 2 {
			other = cli.Str(found[1].short())
		}
		t.Heading(cli.Fmt("%s -> %s", cli.Str(found[0].short()), other))
	}
	for i := 0; i < len(v.Data); {
		end := i + 1
		for end < len(v.Data) && v.Data[end].data == v.Data[i].data {
			end++
		}
		a.changesText(v.Data[i:end], t)
		i = end
	}
}

// changesText tells the changes of one tracked path.
func (a *app) changesText(changes []dataChange, t *cli.Text) {
	t.Heading(cli.Path(a.shown(changes[0].data)), cli.Str(count(changes).words()))
	rows := make([][]cli.Cell, 0, len(changes))
	for i, c := range changes {
		if t.TTY() && i == maxChanges {
			break
		}
		rows = append(rows, []cli.Cell{changeCell(c.Change), cli.Path(a.shown(c.Path)), cli.Change(c.BytesDelta)})
	}
	t.Rows(2, rows)
	if more := len(changes) - len(rows); more > 0 {
		t.Indented(2, cli.Fmt("%s more", cli.Count(int64(more))))
	}
}

func changeCell(change string) cli.Cell {
	switch change {
	case string(snapshot.Added):
		return cli.Word(cli.RolePass, change)
	case string(snapshot.Removed):
		return cli.Word(cli.RoleFail, change)
	}
	return cli.Word(cli.RoleWarn, change)
}
