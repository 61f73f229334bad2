package main

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// maxListed is how many entries of a folder a terminal gets.
const maxListed = 20

// snapshotShown is the JSON of `mlx show` of a snapshot.
type snapshotShown struct {
	Kind      string        `json:"kind"` // "snapshot/v1"
	Snapshots []snapshotRow `json:"snapshots"`
	Entries   []entryView   `json:"entries"`
	Here      bool          `json:"here"` // every byte of it is in this store
	UsedBy    []fault.Ref   `json:"used_by"`
	MadeBy    []fault.Ref   `json:"made_by"`
	Erased    *erasedView   `json:"erased"` // null where nothing of it was erased
}

// entryView is a file or folder inside a version.
type entryView struct {
	Path  string `json:"path"`
	Type  string `json:"type"` // file, directory, symlink
	Bytes int64  `json:"bytes"`
}

func (a *app) showSnapshot(ctx context.Context, t target) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	tell, err := a.teller(ctx)
	if err != nil {
		return err
	}
	v := snapshotShown{Kind: "snapshot/v1", Snapshots: []snapshotRow{}, Entries: []entryView{}, UsedBy: []fault.Ref{}, MadeBy: []fault.Ref{}}
	if err := v.gather(ctx, l, tell, t); err != nil {
		return err
	}
	if v.Here, err = store.Has(ctx, t.ID); err != nil {
		return err
	}
	if !v.Here {
		if v.Erased, err = a.erasure(ctx, t.ID); err != nil {
			return err
		}
	}
	if v.Here {
		if v.Entries, err = a.entries(ctx, t.ID, ""); err != nil {
			return err
		}
	}
	if len(v.Snapshots) == 0 { // an output, or what a pointer names whose record is on another machine
		r := snapshotRow{row: row{Kind: "snapshot/v1", ID: t.ID.Hex(), At: t.Record.At, By: t.Record.By, Tags: []string{}, Prev: []string{}},
			Path: t.Name}
		if v.Here {
			sum, err := store.Stat(ctx, t.ID)
			if err != nil {
				return err
			}
			r.Type, r.Files, r.Bytes = string(sum.Kind), sum.Files, sum.Bytes
		}
		v.Snapshots = append(v.Snapshots, r)
	}
	return a.streams.Emit(v, func(t *cli.Text) { a.snapshotShownText(v, t) })
}

// gather collects the records that saved, made and used a snapshot.
func (v *snapshotShown) gather(ctx context.Context, l *lineage.Ledger, tell *teller, t target) error {
	for rec, err := range l.Referring(ctx, t.ID) {
		if err != nil {
			return err
		}
		if snapshotSaved.Is(rec) {
			e, err := tell.event(rec)
			if err != nil {
				return err
			}
			if saved, ok := e.value.(snapshotRow); ok && e.id == t.ID {
				v.Snapshots = append(v.Snapshots, saved)
			}
			continue
		}
		if made, err := importMade.Decode(rec); err == nil {
			if ref := refOf(refImport, rec.ID.Hex(), made.Source); made.Root == t.ID {
				v.MadeBy = append(v.MadeBy, ref)
			}
			continue
		}
		body, ok := runBody(rec)
		id, isRun := run.IDOf(rec)
		if !ok || !isRun {
			continue
		}
		v.ran(refOf(refRun, id.Hex(), body.Name), body, t.ID)
	}
	return nil
}

// ran notes a run that read or wrote the snapshot.
func (v *snapshotShown) ran(ref fault.Ref, body run.Body, root object.Digest) {
	for _, d := range body.Data {
		if d.Root == root && !containsRef(v.UsedBy, ref) {
			v.UsedBy = append(v.UsedBy, ref)
		}
	}
	for _, o := range body.Outputs {
		if o.Root == root && !containsRef(v.MadeBy, ref) {
			v.MadeBy = append(v.MadeBy, ref)
		}
	}
}

func containsRef(all []fault.Ref, r fault.Ref) bool {
	for _, old := range all {
		if old == r {
			return true
		}
	}
	return false
}

func (a *app) snapshotShownText(v snapshotShown, t *cli.Text) {
	for _, s := range v.Snapshots {
		cells := []cli.Cell{cli.Fmt("%s %s", cli.Str("snapshot"), cli.Hex(s.ID, 12)), cli.Path(a.shown(s.Path)), cli.Num(s.Files, "file"), cli.Bytes(s.Bytes)}
		if !s.At.IsZero() {
			cells = append(cells, cli.Time(s.At), cli.Fmt("by %s", cli.Str(s.By)))
		}
		t.Line(cells...)
		if s.Message != nil {
			t.KeyValue(2, "message", cli.Quoted(*s.Message))
		}
		if s.Previous != nil {
			t.KeyValue(2, "previous", cli.Hex(*s.Previous, 12))
		}
		if len(s.Tags) > 0 {
			t.KeyValue(2, "tags", cli.Str(strings.Join(s.Tags, " ")))
		}
	}
	for _, r := range v.MadeBy {
		if r.Kind == refImport {
			t.KeyValue(2, "from", cli.Str(r.Name), cli.Fmt("import %s", cli.Hex(r.ID, 12)))
			continue
		}
		t.KeyValue(2, "made by", cli.Fmt("%s %s", cli.Str("run"), cli.Hex(r.ID, 12)))
	}
	for _, r := range v.UsedBy {
		t.KeyValue(2, "used by", cli.Fmt("%s %s", cli.Str("run"), cli.Hex(r.ID, 12)))
	}
	if !v.Here {
		t.KeyValue(2, "content", cli.Word(cli.RoleWarn, "not on this machine"))
		if v.Erased != nil {
			what := "all of it"
			if v.Erased.Path != nil {
				what = *v.Erased.Path
			}
			t.KeyValue(2, "erased", cli.Path(what), cli.Time(v.Erased.At), cli.Fmt("by %s", cli.Str(v.Erased.By)), cli.Quoted(v.Erased.Basis))
		}
	}
	entriesText(v.Entries, t)
}

func entriesText(entries []entryView, t *cli.Text) {
	rows := make([][]cli.Cell, 0, len(entries))
	for i, e := range entries {
		if t.TTY() && i == maxListed {
			break
		}
		if !t.TTY() {
			rows = append(rows, []cli.Cell{cli.Str(e.Type), cli.Path(e.Path), cli.Bytes(e.Bytes)})
			continue
		}
		name := cli.Path(e.Path)
		if e.Type == "directory" {
			name = cli.Fmt("%s/", name)
		}
		rows = append(rows, []cli.Cell{name, cli.Bytes(e.Bytes)})
	}
	t.Rows(2, rows)
	if more := len(entries) - len(rows); more > 0 {
		t.Indented(2, cli.Fmt("%s more", cli.Count(int64(more))))
	}
}

// entries lists what lies directly in a folder of a version. The size of a folder is not counted: 0.
func (a *app) entries(ctx context.Context, root object.Digest, folder string) ([]entryView, error) {
	fsys, err := a.files(ctx, root)
	if err != nil {
		return nil, err
	}
	list, err := fs.ReadDir(fsys, path.Clean("./"+folder))
	if err != nil {
		return nil, err
	}
	all := make([]entryView, 0, len(list))
	for _, d := range list {
		e := entryView{Path: d.Name(), Type: typeOf(d.Type())}
		if info, err := d.Info(); err == nil && !d.IsDir() {
			e.Bytes = info.Size()
		}
		all = append(all, e)
	}
	return all, nil
}

func typeOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeSymlink != 0:
		return "symlink"
	}
	return "file"
}

func (a *app) files(ctx context.Context, root object.Digest) (fs.FS, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	return store.FS(ctx, root)
}
