package main

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// dataAt is the content that a path had, or has.
type dataAt struct {
	Path string // from the root of the repository
	Root object.Digest
}

// tracked turns a path into the snapshot that its pointer names now, with what lies below it as Inner. What is no tracked
// path stays as it is.
func (a *app) tracked(_ context.Context, t target) (target, error) {
	if t.Kind != refPath {
		return t, nil
	}
	r, err := a.repo()
	if err != nil {
		return t, err
	}
	rel := t.Name
	above := pointerAbove(r, rel)
	if above == "" {
		return t, nil
	}
	pointer, _, err := a.pointerAt(r, above)
	if err != nil {
		return t, err
	}
	inner := path.Join(strings.TrimPrefix(strings.TrimPrefix(rel, above), "/"), t.Inner)
	return target{Kind: refSnapshot, ID: pointer.Root, Name: above, Inner: inner}, nil
}

// versions returns the data that belongs to a target: of a commit what its pointer files name, of a run what it read,
// of a snapshot or a tracked path itself.
func (a *app) versions(ctx context.Context, t target) ([]dataAt, error) {
	switch t.Kind {
	case refSnapshot:
		return []dataAt{{t.Name, t.ID}}, nil
	case refModel:
		t, err := a.versionBytes(ctx, t)
		return []dataAt{{t.Name, t.ID}}, err
	case refRun:
		v, err := a.runOf(ctx, t)
		if err != nil {
			return nil, err
		}
		return versionsOfRun(v)
	case refGit:
		return a.versionsAt(ctx, t.Commit)
	case refPath:
		found, err := a.tracked(ctx, t)
		if err != nil || found.Kind != refSnapshot {
			return a.versionsBelow(ctx, t.Name, err)
		}
		return []dataAt{{found.Name, found.ID}}, nil
	}
	return nil, fault.New(fault.Usage, "%s has no data", t.short())
}

func (a *app) runOf(ctx context.Context, t target) (run.View, error) {
	l, err := a.ledger()
	if err != nil {
		return run.View{}, err
	}
	return a.history(l).Get(ctx, t.ID)
}

func versionsOfRun(v run.View) ([]dataAt, error) {
	all := make([]dataAt, 0, len(v.Data))
	for _, d := range v.Data {
		root, err := object.ParseDigest(d.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, dataAt{d.Name, root})
	}
	return all, nil
}

// versionsAt reads the pointer files of a commit.
func (a *app) versionsAt(ctx context.Context, commit string) ([]dataAt, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	var all []dataAt
	for f, err := range r.FilesAt(ctx, commit) {
		if err != nil {
			return nil, err
		}
		p, err := snapshot.ParsePointer(f.Data)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read %s of commit %.7s: %w", f.Path, commit, err)
		}
		all = append(all, dataAt{strings.TrimSuffix(f.Path, snapshot.Suffix), p.Root})
	}
	return all, nil
}

// versionsNow reads the pointer files that are here.
func (a *app) versionsNow(ctx context.Context) ([]dataAt, error) {
	return a.versionsBelow(ctx, ".", nil)
}

// versionsBelow reads the pointer files in a folder.
func (a *app) versionsBelow(ctx context.Context, folder string, err error) ([]dataAt, error) {
	if err != nil {
		return nil, err
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	var all []dataAt
	tracked, err := a.pointersBelow(ctx, r, folder)
	for _, v := range tracked {
		all = append(all, v.dataAt)
	}
	return all, err
}

// within reports whether p is folder or lies in it.
func within(p, folder string) bool {
	return folder == "." || folder == "" || p == folder || strings.HasPrefix(p, folder+"/")
}

// located is a file or folder inside a version.
type located struct {
	Path  string // of the data, from the root of the repository
	Root  object.Digest
	Inner string // below Path; empty is all of it
}

// locate finds REF:PATH. In a snapshot PATH starts at its data; in anything else at the root of the repository.
func (a *app) locate(ctx context.Context, t target) (located, error) {
	t, err := a.tracked(ctx, t)
	if err == nil {
		t, err = a.versionBytes(ctx, t)
	}
	if err != nil {
		return located{}, err
	}
	if t.Kind == refSnapshot {
		return located{t.Name, t.ID, t.Inner}, nil
	}
	all, err := a.versions(ctx, t)
	if err != nil {
		return located{}, err
	}
	if t.Kind == refRun {
		outputs, err := a.outputsOf(ctx, t)
		if err != nil {
			return located{}, err
		}
		all = append(all, outputs...)
	}
	i := slices.IndexFunc(all, func(v dataAt) bool { return within(t.Inner, v.Path) })
	if i < 0 {
		return located{}, fault.New(fault.NotFound, "cannot find %s in %s: no data there has this path", t.Inner, t.short()).
			Hint("mlx show %s", t.certain())
	}
	return located{all[i].Path, all[i].Root, strings.TrimPrefix(strings.TrimPrefix(t.Inner, all[i].Path), "/")}, nil
}

// outputsOf returns what a run wrote.
func (a *app) outputsOf(ctx context.Context, t target) ([]dataAt, error) {
	v, err := a.runOf(ctx, t)
	if err != nil {
		return nil, err
	}
	var all []dataAt
	for _, o := range v.Written() {
		root, err := object.ParseDigest(o.Snapshot)
		if err != nil {
			return nil, err
		}
		all = append(all, dataAt{o.Path, root})
	}
	return all, nil
}

// written turns the path of a file that a run wrote, and that is here as it was then, into the snapshot that keeps it.
// Any other path stays as it is.
func (a *app) written(ctx context.Context, t target) (target, error) {
	digest, err := a.fileDigest(t.Name)
	if err != nil || digest.IsZero() {
		return t, err
	}
	l, err := a.ledger()
	if err != nil {
		return t, err
	}
	for rec, err := range l.Referring(ctx, digest) {
		if err != nil {
			return t, err
		}
		body, ok := runBody(rec)
		if !ok {
			continue
		}
		for _, o := range body.Outputs {
			if o.Path == t.Name && o.Digest == digest {
				return target{Kind: refSnapshot, ID: o.Root, Name: o.Path, Record: rec}, nil
			}
		}
	}
	return t, nil
}

// fileDigest is the SHA-256 of a regular file of the project; zero for anything else.
func (a *app) fileDigest(rel string) (object.Digest, error) {
	r, err := a.repo()
	if err != nil {
		return object.Digest{}, err
	}
	f, err := os.Open(r.Abs(rel))
	if err != nil {
		return object.Digest{}, fault.New(fault.KindOf(err), "cannot read %s: %w", rel, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return object.Digest{}, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return object.Digest{}, fault.New(fault.KindOf(err), "cannot read %s: %w", rel, err)
	}
	return object.Digest(h.Sum(nil)), nil
}
