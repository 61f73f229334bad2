package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/run"
)

// maxLine bounds a line that --rows prints.
const maxLine = 1 << 20

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
	Table    *tableHead  `json:"table"`   // null but for --rows of a table
	MadeBy   *fault.Ref  `json:"made_by"` // the run that wrote it, as it is here
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
	if v.MadeBy != nil {
		t.KeyValue(2, "made by", cli.Fmt("%s %s", cli.Str("run"), cli.Hex(v.MadeBy.ID, 12)))
	}
	entriesText(v.Entries, t)
	v.Table.text(t)
	for _, line := range v.Rows {
		t.Indented(2, cli.Str(line))
	}
}

// showFile shows a file that mlx does not track.
func (a *app) showFile(ctx context.Context, t target, rows int) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	info, err := os.Lstat(r.Abs(t.Name))
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot show %s: %w", t.Name, err)
	}
	v := fileShown{Kind: "file/v1", Path: t.Name, Type: typeOf(info.Mode()), Bytes: info.Size(), Entries: []entryView{}, Rows: []string{}}
	if info.Mode().IsRegular() {
		if err := a.describeHere(ctx, &v, t, rows); err != nil {
			return err
		}
	}
	err = a.streams.Emit(v, func(t *cli.Text) { a.fileShownText(v, t) })
	if info.IsDir() {
		a.streams.Hint("mlx snapshot "+a.shown(t.Name), "keep a version of it")
	}
	return err
}

// describeHere tells what can be told of a file in the work tree: its digest, the run that wrote it, its first lines.
func (a *app) describeHere(ctx context.Context, v *fileShown, t target, rows int) error {
	digest, err := a.fileDigest(t.Name)
	if err != nil {
		return err
	}
	v.Digest = some(digest.Hex())
	made, err := a.written(ctx, t)
	if err != nil {
		return err
	}
	if id, ok := run.IDOf(made.Record); ok {
		v.MadeBy = &fault.Ref{Kind: refRun, ID: id.Hex()}
	}
	if rows <= 0 {
		return nil
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	f, err := os.Open(r.Abs(t.Name))
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot show %s: %w", t.Name, err)
	}
	defer f.Close()
	v.Rows, err = firstLines(f, rows)
	return err
}
