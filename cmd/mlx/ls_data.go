package main

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// trackedData is versions of data that ls lists as a whole, or goes through with a pattern.
type trackedData struct {
	folder string // all of it lies below; a pattern starts there
	all    []trackedVersion
	from   *origin
}

type trackedVersion struct {
	dataAt
	kind  snapshot.Kind
	bytes *int64
}

// trackedAt finds the data that a word names which is no piece of one version: nothing, a folder with data in it, or a
// REF that has several.
func (a *app) trackedAt(ctx context.Context, from, word, pattern string) (trackedData, bool, error) {
	if from == "" {
		return a.trackedHere(ctx, word)
	}
	s, err := a.sourceOf(from)
	if err != nil {
		return trackedData{}, false, err
	}
	switch s.kind {
	case sourceRepository:
		d, ok, err := a.elsewhere(s.value).trackedHere(ctx, word)
		if ok {
			d.from.place = from
		}
		return d, ok, err
	case sourceGit:
		return a.trackedInGit(ctx, s, word, pattern)
	case sourceBucket:
	}
	if word != "" && word != "." {
		return trackedData{}, false, nil
	}
	return a.trackedInBucket(ctx, s)
}

func (a *app) trackedHere(ctx context.Context, word string) (trackedData, bool, error) {
	r, err := a.repo()
	if err != nil {
		return trackedData{}, false, err
	}
	o, err := a.hereOrigin()
	if err != nil {
		return trackedData{}, false, err
	}
	d := trackedData{from: o}
	if word == "" {
		word = "."
	}
	t, err := a.resolve(ctx, strings.TrimSuffix(word, ":"))
	if err != nil {
		return d, false, err
	}
	if t, err = a.tracked(ctx, t); err != nil {
		return d, false, err
	}
	switch t.Kind {
	case refPath:
		d.folder = t.Name
		if d.all, err = a.pointersBelow(ctx, r, t.Name); err == nil && len(d.all) == 0 && t.Name != "." {
			err = a.untracked(r, "ls", word, t.Name)
		}
		return d, true, err
	case refGit:
		if d.all, err = a.pointersOf(ctx, r, t.Commit); err != nil {
			return d, false, err
		}
	case refRun:
		if d.all, err = a.dataOfRun(ctx, t); err != nil {
			return d, false, err
		}
	default:
		return d, false, nil
	}
	if slices.ContainsFunc(d.all, func(v trackedVersion) bool { return t.Inner != "" && within(t.Inner, v.Path) }) {
		return d, false, nil
	}
	d.folder = t.Inner
	d.all = slices.DeleteFunc(d.all, func(v trackedVersion) bool { return !within(v.Path, t.Inner) })
	return d, len(d.all) > 0 || t.Inner == "", nil
}

// pointersBelow reads the pointer files that are here, in a folder.
func (a *app) pointersBelow(ctx context.Context, r *repo.Repo, folder string) ([]trackedVersion, error) {
	paths, err := r.Pointers(ctx)
	if err != nil {
		return nil, err
	}
	var all []trackedVersion
	for _, p := range paths {
		if !within(p, folder) {
			continue
		}
		pointer, ok, err := a.pointerAt(r, p)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, versionOf(p, pointer))
		}
	}
	return all, nil
}

func versionOf(path string, p snapshot.Pointer) trackedVersion {
	return trackedVersion{dataAt{path, p.Root}, p.Kind, &p.Bytes}
}

func (a *app) pointersOf(ctx context.Context, r *repo.Repo, commit string) ([]trackedVersion, error) {
	var all []trackedVersion
	for f, err := range r.FilesAt(ctx, commit) {
		if err != nil {
			return nil, err
		}
		p, err := snapshot.ParsePointer(f.Data)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read %s of commit %.7s: %w", f.Path, commit, err)
		}
		all = append(all, versionOf(strings.TrimSuffix(f.Path, snapshot.Suffix), p))
	}
	return all, nil
}

// dataOfRun is what a run read, then what it wrote.
func (a *app) dataOfRun(ctx context.Context, t target) ([]trackedVersion, error) {
	v, err := a.runOf(ctx, t)
	if err != nil {
		return nil, err
	}
	read, err := versionsOfRun(v)
	if err != nil {
		return nil, err
	}
	var all []trackedVersion
	for _, d := range read {
		all = append(all, trackedVersion{dataAt: d, kind: snapshot.Directory})
	}
	for _, o := range v.Written() {
		root, err := object.ParseDigest(o.Snapshot)
		if err != nil {
			return nil, err
		}
		all = append(all, trackedVersion{dataAt{o.Path, root}, snapshot.Kind(o.Kind), &o.Bytes})
	}
	return all, nil
}

func (a *app) trackedInGit(ctx context.Context, s fromPlace, word, pattern string) (trackedData, bool, error) {
	rev, name, ok := strings.Cut(word, ":")
	if !ok {
		rev, name = "HEAD", word
	}
	d := trackedData{folder: path.Clean(strings.Trim(name, "/")), from: &origin{place: s.typed}}
	if d.folder == "." {
		d.folder = ""
	}
	p, err := a.peek(ctx, d.from, s, rev)
	var names []string
	if err == nil {
		names, err = p.Pointers(ctx, d.folder)
	}
	for _, name := range names {
		text, readErr := p.Read(ctx, name+repo.PointerExt)
		if err = readErr; err != nil {
			break
		}
		pointer, parseErr := snapshot.ParsePointer(text)
		if parseErr == nil { // else another program's file of this name
			d.all = append(d.all, versionOf(name, pointer))
		}
	}
	if err == nil && len(d.all) > 0 && pattern != "" { // what is in it will be asked for
		err = a.openNamed(ctx, piece{located: located{Path: d.all[0].Path, Root: d.all[0].Root}, from: d.from}, p, s)
	}
	if err != nil || len(d.all) == 0 && d.folder != "" {
		return trackedData{}, false, errors.Join(err, d.from.close())
	}
	return d, true, nil
}

// trackedInBucket is the newest version of each path that a remote holds.
func (a *app) trackedInBucket(ctx context.Context, s fromPlace) (trackedData, bool, error) {
	d := trackedData{from: &origin{place: s.typed}}
	r, err := a.lightNewest(ctx, d.from, "", s.value)
	if err != nil {
		return d, false, errors.Join(err, d.from.close())
	}
	newest := map[string]remote.Root{}
	for _, root := range r.Roots() {
		if root.Path != "" {
			newest[root.Path] = root
		}
	}
	for _, root := range newest {
		d.all = append(d.all, trackedVersion{dataAt: dataAt{root.Path, root.Root}, kind: root.Kind})
	}
	slices.SortFunc(d.all, func(a, b trackedVersion) int { return strings.Compare(a.Path, b.Path) })
	return d, true, nil
}

// ofData lists data as a whole or, with a pattern, what fits it.
func (a *app) ofData(ctx context.Context, d trackedData, pattern string) listing {
	return func(yield func(listedEntry, error) bool) {
		for _, v := range d.all {
			below := strings.TrimPrefix(v.Path, d.folder+"/")
			inner, ok := belowData(pattern, below)
			if !ok {
				continue
			}
			if inner == "" || inner == "**" || repo.Match(pattern, below) {
				e := listedEntry{Kind: "entry/v1", Path: v.Path, Type: string(v.kind), Bytes: v.bytes, Digest: some(v.Root.Hex())}
				if !yield(e, nil) {
					return
				}
			}
			if inner == "" {
				continue
			}
			for e, err := range a.inside(ctx, piece{located: located{Path: v.Path, Root: v.Root}, from: d.from}, inner) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// belowData says which part of a pattern is left for what lies in data at a path; ok is false where nothing in it fits.
func belowData(pattern, at string) (inner string, ok bool) {
	if pattern == "" {
		return "", true
	}
	want := strings.Split(pattern, "/")
	for _, name := range strings.Split(at, "/") {
		switch {
		case len(want) == 0:
			return "", false
		case want[0] == "**":
			return strings.Join(want, "/"), true
		case !repo.Match(want[0], name):
			return "", false
		}
		want = want[1:]
	}
	return strings.Join(want, "/"), true
}
