package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// modelVariable is set to the path of the model that a run was given, when it was given one; with _ and the name of the model it is
// set for each.
const modelVariable = "MLX_MODEL"

// modelDirVariable is the folder of the one model that a run was given: a model that is a folder, or the folder of the one file.
const modelDirVariable = "MLX_MODEL_DIR"

// given is the versions of models that a run reads, laid out for it.
type given struct {
	used []run.UsedModel
	env  []string
	dir  string
}

// release removes what was laid out.
func (g given) release() {
	if g.dir != "" {
		_ = os.RemoveAll(g.dir) // a temporary folder that gc would remove
	}
}

// give takes the versions of models out of the words of -d, lays them out and returns the other words: a path wins over a model.
func (a *app) give(ctx context.Context, words []string) (rest []string, g given, err error) {
	var versions []*registry.Version
	for _, word := range words {
		v, err := a.modelAsData(ctx, word)
		if err != nil {
			return nil, g, err
		}
		if v == nil {
			rest = append(rest, word)
			continue
		}
		versions = append(versions, v)
	}
	g, err = a.layOut(ctx, versions)
	return rest, g, err
}

// modelAsData is the version that a word of -d names; nil when it is a path.
func (a *app) modelAsData(ctx context.Context, word string) (*registry.Version, error) {
	if !strings.HasPrefix(word, refModel+":") {
		if isPlainPath(word) || !strings.Contains(word, "@") {
			return nil, nil
		}
		r, err := a.repo()
		if err != nil {
			return nil, err
		}
		rel, err := r.Rel(word)
		if err != nil {
			return nil, nil // whoever reads it as a path says what is wrong with it
		}
		if _, err := os.Lstat(r.Abs(rel)); !errors.Is(err, fs.ErrNotExist) || pointerAbove(r, rel) != "" {
			return nil, nil
		}
	}
	t, err := a.resolve(ctx, word, refModel)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	if t.Inner != "" {
		return nil, fault.New(fault.Usage, "cannot give a part of %s to a run: it gets the whole version", t.Name).Hint("-d %s", shellWord(t.Name))
	}
	_, v, err := a.modelVersion(ctx, t)
	return v, err
}

// layOut checks versions out into a folder of their own and says where they lie.
func (a *app) layOut(ctx context.Context, versions []*registry.Version) (g given, err error) {
	if len(versions) == 0 {
		return g, nil
	}
	r, err := a.repo()
	if err != nil {
		return g, err
	}
	if err := os.MkdirAll(r.Tmp(), 0o777); err != nil {
		return g, fault.New(fault.KindOf(err), "cannot make a temporary folder: %w", err)
	}
	if g.dir, err = os.MkdirTemp(r.Tmp(), "given-*"); err != nil {
		return g, fault.New(fault.KindOf(err), "cannot make a temporary folder: %w", err)
	}
	for _, v := range versions {
		file := filepath.Join(g.dir, v.Name(), path.Base(path.Join("/", v.Path)))
		if err := a.layOutOne(ctx, v, file); err != nil {
			g.release()
			return given{}, err
		}
		g.used = append(g.used, run.UsedModel{Model: v.Model, Version: v.Version, Record: v.Record, Root: v.Root})
		g.env = append(g.env, modelVariable+"_"+variableWord(v.Model)+"="+file)
		if len(versions) == 1 {
			folder := file
			if v.Kind == string(snapshot.File) {
				folder = filepath.Dir(file)
			}
			g.env = append(g.env, modelVariable+"="+file, modelDirVariable+"="+folder)
		}
	}
	return g, nil
}

func (a *app) layOutOne(ctx context.Context, v *registry.Version, file string) (err error) {
	t, err := a.versionBytes(ctx, versionTarget(v))
	if err != nil {
		return err
	}
	o, err := a.hereOrigin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	p := piece{located: located{Path: t.Name, Root: t.ID}, from: o}
	err = a.reading(ctx, p, nil, func() error {
		_, err := o.store.Checkout(ctx, snapshot.CheckoutOptions{Path: file, To: v.Root, Kind: snapshot.Kind(v.Kind), ExternalLinks: false})
		return err
	})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot start the run: %s: %w", v.Name(), err)
	}
	return nil
}

// variableWord is the name of a model as a part of the name of a variable.
func variableWord(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, name)
}

// giveAgain lays out the versions of models that a run was given.
func (a *app) giveAgain(ctx context.Context, used []run.UsedModel) (given, error) {
	var versions []*registry.Version
	for _, u := range used {
		_, v, err := a.modelVersion(ctx, target{Kind: refModel, ID: u.Record})
		if err != nil {
			return given{}, err
		}
		versions = append(versions, v)
	}
	return a.layOut(ctx, versions)
}
