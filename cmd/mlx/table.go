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
	closes []func() error
}

// Close lets go of the files, and removes those that were made to be read.
func (t *openedTable) Close() error {
	errs := []error{t.Table.Close()}
	for i := len(t.closes) - 1; i >= 0; i-- {
		errs = append(errs, t.closes[i]())
	}
	return errors.Join(errs...)
}

// tableFiles are the files of a table before it is opened.
type tableFiles struct {
	files  []dataset.File
	refer  func(ctx context.Context) (gate.Ref, error) // reads the files where nothing else tells their digest
	closes []func() error
}

func (f *tableFiles) close(err error) error {
	errs := []error{err}
	for i := len(f.closes) - 1; i >= 0; i-- {
		errs = append(errs, f.closes[i]())
	}
	return errors.Join(errs...)
}

// openTable opens the table that somebody typed: a file, a folder or a quoted pattern; REF:PATH or a tracked path, fetched if it is not
// here; a file of a git revision; the URL of a file or bucket; - for stdin. A word with / or . in it that is a path here is that path.
func (a *app) openTable(ctx context.Context, where string, opts dataset.Options) (*openedTable, error) {
	return a.openedTable(ctx, where, opts, true)
}

// openTableOf opens a table that mlx.yaml names. A URL there must have been allowed.
func (a *app) openTableOf(ctx context.Context, where string, opts dataset.Options) (*openedTable, error) {
	if err := a.mayRead(where); err != nil {
		return nil, err
	}
	return a.openTable(ctx, where, opts)
}

// mayRead refuses a URL that mlx.yaml names and that its user has not allowed.
func (a *app) mayRead(where string) error {
	if !isTableURL(where) {
		return nil
	}
	t, err := a.allowed()
	if err != nil {
		return err
	}
	if !t.Approved(repo.TrustTable, where, where) {
		return fault.New(fault.Denied, "cannot read %s: %s names it, which you have not allowed here", shownURL(where), repo.ConfigName).Hint("mlx trust")
	}
	return nil
}

// openRows is openTable for who only looks: no digest is computed.
func (a *app) openRows(ctx context.Context, where string, opts dataset.Options) (*openedTable, error) {
	return a.openedTable(ctx, where, opts, false)
}

// identifyTable names the bytes of a table, or of any file, without reading it as one.
func (a *app) identifyTable(ctx context.Context, where string) (gate.Ref, error) {
	found, err := a.tableFiles(ctx, where)
	if err != nil {
		return gate.Ref{}, err
	}
	ref, err := found.refer(ctx)
	return ref, found.close(err)
}

func (a *app) openedTable(ctx context.Context, where string, opts dataset.Options, named bool) (*openedTable, error) {
	if opts.Temp == "" {
		opts.Temp = os.TempDir()
	}
	found, err := a.tableFiles(ctx, where)
	if err != nil {
		return nil, err
	}
	return found.open(ctx, opts, named)
}

func (f *tableFiles) open(ctx context.Context, opts dataset.Options, named bool) (*openedTable, error) {
	t := &openedTable{closes: f.closes}
	var err error
	if named {
		if t.Ref, err = f.refer(ctx); err != nil {
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
	return a.versionTable(ctx, where)
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
	return u.String()
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
