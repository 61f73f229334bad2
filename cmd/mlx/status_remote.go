package main

import (
	"context"
	"strconv"
	"time"

	"mlx/internal/audit"
	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/remote"
)

// notPushedView is what this machine has and a remote, as last seen, has not.
type notPushedView struct {
	Remote    string     `json:"remote"`
	Snapshots int        `json:"snapshots"`
	Records   int        `json:"records"`
	Bytes     int64      `json:"bytes"` // of the snapshots, as they are stored here
	AsOf      *time.Time `json:"as_of"` // null: the remote was never seen
}

func (v *notPushedView) any() bool { return v != nil && v.Snapshots+v.Records > 0 }

// notPushed compares with what is remembered of a remote; nothing is asked of it. Without a remote it is nil.
func (a *app) notPushed(ctx context.Context, name string) (*notPushedView, error) {
	cfg, err := a.config()
	if err != nil || cfg.Remotes.Len() == 0 {
		return nil, err
	}
	c, name, err := a.chosenRemote(name)
	if err != nil {
		return nil, err
	}
	known, err := a.recall(c)
	if err != nil {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	unsent, err := known.Unsent(ctx, l)
	if err != nil {
		return nil, err
	}
	v := &notPushedView{Remote: name, Records: len(unsent), AsOf: asOf(known)}
	if c.Scheme() == gitScheme {
		return v, nil
	}
	u := unpushed{known: known, unsent: make(map[object.Digest]bool, len(unsent)), versions: map[object.Digest]int64{}}
	for _, id := range unsent {
		u.unsent[id] = true
	}
	return v, a.countVersions(ctx, &u, v)
}

// unpushed collects versions that a remote does not hold, and how many bytes each has.
type unpushed struct {
	known    *remote.Known
	unsent   map[object.Digest]bool // records
	versions map[object.Digest]int64
}

func (u *unpushed) add(root object.Digest, bytes int64) {
	if _, ok := u.versions[root]; !ok && !u.known.Holds(root) {
		u.versions[root] = bytes
	}
}

// countVersions counts the versions that are here and that neither the pointer files nor the records which it has not seen
// would find at the remote. Runs whose records it has are not gone through again: a push brings what they name.
func (a *app) countVersions(ctx context.Context, u *unpushed, v *notPushedView) error {
	l, err := a.ledger()
	if err != nil {
		return err
	}
	if err := u.records(ctx, l); err != nil {
		return err
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	now, err := a.pointersBelow(ctx, r, ".")
	if err != nil && fault.KindOf(err) != fault.Conflict { // a pointer file with two versions is told as such
		return err
	}
	for _, d := range now {
		u.add(d.Root, *d.bytes)
	}
	if len(u.versions) == 0 {
		return nil
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	for root, bytes := range u.versions {
		switch _, err := store.FS(ctx, root); { // its list of files tells: what is here in part came from a remote
		case err == nil:
			v.Snapshots++
			v.Bytes += bytes
		case !lacksObject(err):
			return err
		}
	}
	return nil
}

// records adds what records name: of snapshots all, of runs those that are not sent.
func (u *unpushed) records(ctx context.Context, l *lineage.Ledger) error {
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"snapshot"}, All: true}) {
		if err != nil {
			return err
		}
		if !snapshotSaved.Is(rec) {
			continue
		}
		body, err := snapshotSaved.Decode(rec)
		if err != nil {
			return err
		}
		u.add(body.Root, body.BytesStored)
	}
	if len(u.unsent) == 0 {
		return nil
	}
	sealed, err := audit.Entries(ctx, l, "")
	if err != nil {
		return err
	}
	for _, e := range sealed {
		if u.unsent[e.ID] {
			u.add(e.Kept, e.Bytes)
		}
	}
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"model"}, All: true, Where: "root != null"}) {
		if err != nil {
			return err
		}
		if m, ok := keptModelOf(rec); ok && u.unsent[rec.ID] {
			u.add(m.root, m.bytes)
		}
	}
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"deploy"}, All: true}) {
		if err != nil {
			return err
		}
		if u.unsent[rec.ID] {
			for _, code := range codeOfReleases(rec) {
				u.add(code.Root, 0) // how long it is nobody has written down
			}
		}
	}
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"run"}, All: true}) {
		if err != nil {
			return err
		}
		if body, ok := runBody(rec); ok && u.unsent[rec.ID] {
			for _, root := range rootsOfRun(body) {
				u.add(root.Root.Root, root.bytes)
			}
		}
	}
	return nil
}

// heldView is what status -r asks a remote: does it hold all that the pointer files of the commit name.
type heldView struct {
	Name         string      `json:"name"`
	Holds        *bool       `json:"holds"` // null: its packs may not be listed
	Snapshots    int         `json:"snapshots"`
	Missing      []fault.Ref `json:"missing"`       // versions that its log does not name
	PacksMissing []string    `json:"packs_missing"` // that its log counts on
	roots        []remote.Root
}

// askRemote reads the log of a remote and lists its packs.
func (a *app) askRemote(ctx context.Context, name string) (*heldView, error) {
	r, err := a.openRemote(ctx, name)
	if err != nil {
		return nil, err
	}
	roots, err := a.committedRoots(ctx)
	if err != nil {
		return nil, err
	}
	lack, err := r.Lacks(ctx, roots)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot ask %s: %w", r.Describe(), remoteTrouble(err, r.Name()))
	}
	v := &heldView{Name: r.Name(), Snapshots: len(roots), Missing: []fault.Ref{}, PacksMissing: []string{}, roots: lack.Roots}
	for _, root := range lack.Roots {
		v.Missing = append(v.Missing, refOf(refSnapshot, root.Root.Hex(), root.Path))
	}
	for _, p := range lack.Packs {
		v.PacksMissing = append(v.PacksMissing, p.Pack.Hex())
	}
	if holds := len(lack.Roots)+len(lack.Packs) == 0; !holds || !lack.Blind {
		v.Holds = &holds
	}
	return v, nil
}

// committedRoots is what the pointer files of the commit name; before the first commit and outside git, those that are
// here.
func (a *app) committedRoots(ctx context.Context) ([]remote.Root, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	head, err := r.Head(ctx)
	if err != nil {
		return nil, err
	}
	var all []trackedVersion
	if head.Commit == "" {
		all, err = a.pointersBelow(ctx, r, ".")
	} else {
		all, err = a.pointersOf(ctx, r, head.Commit)
	}
	if err != nil {
		return nil, err
	}
	roots := make([]remote.Root, 0, len(all))
	for _, v := range all {
		roots = append(roots, remote.Root{Root: v.Root, Path: v.Path, Kind: v.kind})
	}
	return roots, nil
}

func (a *app) remoteStatusText(v statusView, t *cli.Text) {
	if n := v.NotPushed; n.any() {
		t.Heading(cli.Fmt("not pushed to %s", cli.Str(n.Remote)))
		cells := []cli.Cell{cli.Fmt("%s, %s", cli.Num(int64(n.Snapshots), "snapshot"), cli.Num(int64(n.Records), "record")), cli.Bytes(n.Bytes)}
		if !t.TTY() {
			number := func(n int64) cli.Cell { return cli.Str(strconv.FormatInt(n, 10)) }
			cells = []cli.Cell{cli.Str("push"), cli.Str("behind"), cli.Str(n.Remote), number(int64(n.Snapshots)), number(int64(n.Records)), number(n.Bytes)}
		}
		t.Rows(2, [][]cli.Cell{cells})
	}
	r := v.Remote
	if r == nil {
		return
	}
	section := []cli.Cell{}
	if !t.TTY() {
		section = append(section, cli.Str("remote"))
	}
	row := func(cells ...cli.Cell) { t.Rows(2, [][]cli.Cell{append(section, cells...)}) }
	switch {
	case r.Holds == nil:
		t.Heading(cli.Fmt("%s names all of this commit; its packs may not be listed", cli.Str(r.Name)))
		if !t.TTY() {
			row(cli.Str("unproven"), cli.Str(r.Name), cli.Num(int64(r.Snapshots), "snapshot"))
		}
	case *r.Holds:
		t.Heading(cli.Fmt("%s holds all that this commit names  %s", cli.Str(r.Name), cli.Num(int64(r.Snapshots), "snapshot")))
		if !t.TTY() {
			row(cli.Str("holds"), cli.Str(r.Name), cli.Num(int64(r.Snapshots), "snapshot"))
		}
	default:
		t.Heading(cli.Fmt("%s lacks what this commit names", cli.Str(r.Name)))
		for _, root := range r.roots {
			row(cli.Word(cli.RoleFail, "missing"), cli.Path(a.shown(root.Path)), cli.ID(root.Root))
		}
		for _, p := range r.PacksMissing {
			row(cli.Word(cli.RoleFail, "lost"), cli.Str("pack"), cli.Hex(p, 12))
		}
	}
}
