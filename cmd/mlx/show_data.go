package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
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

// maxLine bounds a line that --rows prints.
const maxLine = 1 << 20

// snapshotShown is the JSON of `mlx show` of a snapshot.
type snapshotShown struct {
	Kind      string        `json:"kind"` // "snapshot/v1"
	Snapshots []snapshotRow `json:"snapshots"`
	Entries   []entryView   `json:"entries"`
	Here      bool          `json:"here"` // every byte of it is in this store
	UsedBy    []fault.Ref   `json:"used_by"`
	MadeBy    []fault.Ref   `json:"made_by"`
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
		body, ok := runBody(rec)
		id, isRun := run.IDOf(rec)
		if !ok || !isRun {
			continue
		}
		ref := refOf(refRun, id.Hex(), body.Name)
		for _, d := range body.Data {
			if d.Root == t.ID && !containsRef(v.UsedBy, ref) {
				v.UsedBy = append(v.UsedBy, ref)
			}
		}
		for _, o := range body.Outputs {
			if o.Root == t.ID && !containsRef(v.MadeBy, ref) {
				v.MadeBy = append(v.MadeBy, ref)
			}
		}
	}
	return nil
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
		t.KeyValue(2, "made by", cli.Fmt("%s %s", cli.Str("run"), cli.Hex(r.ID, 12)))
	}
	for _, r := range v.UsedBy {
		t.KeyValue(2, "used by", cli.Fmt("%s %s", cli.Str("run"), cli.Hex(r.ID, 12)))
	}
	if !v.Here {
		t.KeyValue(2, "content", cli.Word(cli.RoleWarn, "not on this machine"))
	}
	entriesText(v.Entries, t)
}

func entriesText(entries []entryView, t *cli.Text) {
	rows := make([][]cli.Cell, 0, len(entries))
	for i, e := range entries {
		if t.TTY() && i == maxListed {
			break
		}
		name := e.Path
		if e.Type == "directory" {
			name += "/"
		}
		rows = append(rows, []cli.Cell{cli.Path(name), cli.Bytes(e.Bytes)})
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

// fileShown is the JSON of `mlx show` of a file or folder.
type fileShown struct {
	Kind     string      `json:"kind"` // "file/v1"
	Path     string      `json:"path"`
	Type     string      `json:"type"`
	Bytes    int64       `json:"bytes"`
	Digest   *string     `json:"digest"`   // of the bytes, as sha256sum prints it
	Snapshot *fault.Ref  `json:"snapshot"` // null for a file that no snapshot holds
	Entries  []entryView `json:"entries"`
	Rows     []string    `json:"rows"`
}

// showInside shows REF:PATH.
func (a *app) showInside(ctx context.Context, t target, rows int) error {
	at, err := a.locate(ctx, t)
	if err != nil {
		return err
	}
	fsys, err := a.files(ctx, at.Root)
	if err != nil {
		return err
	}
	inner, err := insideName(fsys, at)
	if err != nil {
		return err
	}
	info, err := fs.Lstat(fsys, inner)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "cannot find %s in snapshot %s of %s", at.Inner, at.Root.Short(), at.Path).
			Hint("mlx show %s", at.Root.Short())
	}
	if err != nil {
		return err
	}
	ref := refOf(refSnapshot, at.Root.Hex(), at.Path)
	v := fileShown{Kind: "file/v1", Path: path.Join(at.Path, at.Inner), Type: typeOf(info.Mode()), Bytes: info.Size(), Snapshot: &ref,
		Entries: []entryView{}, Rows: []string{}}
	if info.IsDir() {
		v.Bytes = 0
		if v.Entries, err = a.entries(ctx, at.Root, inner); err != nil {
			return err
		}
	} else if err := a.describeFile(ctx, &v, fsys, inner, at, rows); err != nil {
		return err
	}
	return a.streams.Emit(v, func(t *cli.Text) { a.fileShownText(v, t) })
}

// insideName is the name of at in the file system of its version. A snapshot of a single file holds just that file.
func insideName(fsys fs.FS, at located) (string, error) {
	if at.Inner != "" {
		return path.Clean(at.Inner), nil
	}
	list, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return "", err
	}
	if len(list) == 1 && !list[0].IsDir() && list[0].Name() == path.Base(at.Path) {
		return list[0].Name(), nil
	}
	return ".", nil
}

func (a *app) describeFile(ctx context.Context, v *fileShown, fsys fs.FS, inner string, at located, rows int) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	digest, err := store.FileDigest(ctx, at.Root, inner)
	if err != nil {
		return err
	}
	v.Digest = some(digest.Hex())
	if rows <= 0 || v.Type != "file" {
		return nil
	}
	f, err := fsys.Open(inner)
	if err != nil {
		return err
	}
	defer f.Close()
	v.Rows, err = firstLines(f, rows)
	return err
}

// firstLines reads at most n lines.
func firstLines(r io.Reader, n int) ([]string, error) {
	lines := []string{}
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxLine)
	for len(lines) < n && scan.Scan() {
		lines = append(lines, scan.Text())
	}
	if err := scan.Err(); err != nil {
		return nil, fault.New(fault.Usage, "cannot print the first lines: %w", err)
	}
	return lines, nil
}

func (a *app) fileShownText(v fileShown, t *cli.Text) {
	cells := []cli.Cell{cli.Fmt("%s %s", cli.Str(v.Type), cli.Path(a.shown(v.Path)))}
	if v.Type != "directory" {
		cells = append(cells, cli.Bytes(v.Bytes))
	}
	t.Line(cells...)
	if v.Digest != nil {
		t.KeyValue(2, "sha256", cli.Hex(*v.Digest, 64))
	}
	if v.Snapshot != nil {
		t.KeyValue(2, "snapshot", cli.Fmt("%s %s", cli.Hex(v.Snapshot.ID, 12), cli.Path(v.Snapshot.Name)))
	}
	entriesText(v.Entries, t)
	for _, line := range v.Rows {
		t.Indented(2, cli.Str(line))
	}
}

// showFile shows a file that mlx does not track.
func (a *app) showFile(t target, rows int) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	info, err := os.Lstat(r.Abs(t.Name))
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot show %s: %w", t.Name, err)
	}
	v := fileShown{Kind: "file/v1", Path: t.Name, Type: typeOf(info.Mode()), Bytes: info.Size(), Entries: []entryView{}, Rows: []string{}}
	if info.Mode().IsRegular() && rows > 0 {
		f, err := os.Open(r.Abs(t.Name))
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot show %s: %w", t.Name, err)
		}
		defer f.Close()
		if v.Rows, err = firstLines(f, rows); err != nil {
			return err
		}
	}
	err = a.streams.Emit(v, func(t *cli.Text) { a.fileShownText(v, t) })
	if info.IsDir() {
		a.streams.Hint("mlx snapshot "+a.shown(t.Name), "keep a version of it")
	}
	return err
}
