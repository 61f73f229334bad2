package main

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// The kinds of Ref of a table that is no version: its ID is the SHA-256 of the bytes, of several files that of their list.
const (
	refStdin  = "stdin"
	refURL    = "url"     // what a web server sent
	refBucket = "objects" // ID is of names, sizes and times of objects, not of their bytes
)

// openedTable is a table, and what names exactly the bytes that are read.
type openedTable struct {
	*dataset.Table
	Ref    gate.Ref
	closes closers
}

// Close lets go of the files, and removes those that were made to be read.
func (t *openedTable) Close() error { return errors.Join(t.Table.Close(), t.closes.Close()) }

// closers are what has to be done at the end.
type closers []func() error

// Close does it, the last first.
func (c closers) Close() error {
	var errs []error
	for i := len(c) - 1; i >= 0; i-- {
		errs = append(errs, c[i]())
	}
	return errors.Join(errs...)
}

// tableFiles are the files of a table before it is opened.
type tableFiles struct {
	files  []dataset.File
	refer  func(ctx context.Context) (gate.Ref, error) // reads the files where nothing else tells their digest
	named  *gate.Ref                                   // what refer returned
	closes closers
}

func (f *tableFiles) close(err error) error { return errors.Join(err, f.closes.Close()) }

// ref names the bytes. They are read for it at most once.
func (f *tableFiles) ref(ctx context.Context) (gate.Ref, error) {
	if f.named == nil {
		named, err := f.refer(ctx)
		if err != nil {
			return gate.Ref{}, err
		}
		f.named = &named
	}
	return *f.named, nil
}

// openTable opens the table that somebody typed: a file, a folder or a quoted pattern; REF:PATH or a tracked path, fetched if it is not
// here; a file of a git revision; the URL of a file or bucket; - for stdin. A word with / or . in it that is a path here is that path.
func (a *app) openTable(ctx context.Context, where string, opts dataset.Options) (*openedTable, error) {
	found, err := a.tableFiles(ctx, where)
	if err != nil {
		return nil, err
	}
	return found.open(ctx, opts, true)
}

// mayContact refuses a URL of mlx.yaml that the user has not allowed. Whatever is no URL may be read.
func (a *app) mayContact(where string) error {
	if !isTableURL(where) {
		return nil
	}
	t, err := a.allowed()
	if err != nil {
		return err
	}
	if !t.ApprovedTable(where) {
		return fault.New(fault.Denied, "cannot read %s: %s names it, which you have not allowed here", shownURL(where), repo.ConfigName).Hint("mlx trust")
	}
	return nil
}

// open opens them. named computes the digest as well, which who only looks has no need of.
func (f *tableFiles) open(ctx context.Context, opts dataset.Options, named bool) (*openedTable, error) {
	t := &openedTable{closes: f.closes}
	readTable(f.files)
	var err error
	if named {
		if t.Ref, err = f.ref(ctx); err != nil {
			return nil, f.close(err)
		}
	}
	if t.Table, err = dataset.Open(ctx, f.files, opts); err != nil {
		return nil, f.close(err)
	}
	return t, nil
}

// tableFiles finds the files of a table.
func (a *app) tableFiles(ctx context.Context, where string) (*tableFiles, error) {
	switch {
	case where == "-":
		return a.stdinTable()
	case isTableURL(where):
		return a.urlTable(ctx, where)
	}
	r := readRef(where)
	if r.kind == refPath {
		local := strings.TrimPrefix(where, refPath+":")
		if there(local) || isPattern(local) {
			return a.localTable(ctx, where, local)
		}
	} else if there(where) && (strings.ContainsAny(where, "/.") || a.outside()) {
		return a.localTable(ctx, where, where)
	}
	if isPattern(where) && (r.inner == "" || !isPattern(r.inner)) {
		return a.localTable(ctx, where, where)
	}
	w, err := a.versionWord(ctx, where)
	if err != nil {
		return nil, err
	}
	if w.Kind == refPath && there(where) {
		return a.localTable(ctx, where, where) // what stands here, not the version that its pointer names
	}
	return a.tableOfVersion(ctx, w)
}

// outside says whether the current folder is in no repository: then every word is a path.
func (a *app) outside() bool {
	_, err := a.repo()
	return fault.KindOf(err) == fault.NotFound
}

func there(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func isPattern(word string) bool { return strings.ContainsAny(word, "*?[") && !there(word) }

// isTableURL says whether a word is the URL of a table.
func isTableURL(word string) bool {
	scheme, _, ok := strings.Cut(word, "://")
	switch {
	case !ok:
		return false
	case scheme == "s3" || scheme == "gs" || scheme == "azblob" || scheme == "file" || scheme == "http" || scheme == "https":
		return true
	}
	return false
}

// shownURL is a URL without what could be secret in it.
func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		scheme, _, _ := strings.Cut(raw, ":")
		return scheme + "://…"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return strings.NewReplacer("%7B", "{", "%7D", "}").Replace(u.String()) // {date} of a monitor
}

// missingTable is the error for a word that names no table.
func (a *app) missingTable(ctx context.Context, where string) error {
	err := fault.New(fault.NotFound, "cannot read %s: there is no such file", where)
	dir := path.Dir(where)
	if list, readErr := os.ReadDir(dir); readErr == nil {
		names := make([]string, 0, len(list))
		for _, d := range list {
			names = append(names, path.Join(dir, d.Name()))
		}
		if near := fault.Nearest(path.Clean(where), names); near != "" {
			return err.Hint("did you mean %s?", shellWord(near))
		}
	}
	if near := fault.Nearest(where, a.knownNames(ctx, "")); near != "" {
		return err.Hint("did you mean %s?", shellWord(near))
	}
	return err
}
