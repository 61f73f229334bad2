package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"mlx/internal/deploy"
	"mlx/internal/deploy/cascade"
	"mlx/internal/deploy/folder"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// layModel puts the model of a release, or of a stage of one, into a folder, and says by which variables a server finds it.
func (a *app) layModel(ctx context.Context, rel deploy.Release, models string) ([]string, error) {
	v, err := a.recordedVersion(ctx, rel)
	if err != nil {
		return nil, err
	}
	model, kind := models, snapshot.Directory
	if v.Kind == string(snapshot.File) {
		model, kind = filepath.Join(models, path.Base(v.Path)), snapshot.File
	}
	if err := a.layDown(ctx, rel, located{Path: v.Path, Root: v.Root}, snapshot.CheckoutOptions{Path: model, To: v.Root, Kind: kind, Link: true}); err != nil {
		return nil, err
	}
	return []string{"MLX_MODEL=" + model, "MLX_MODEL_DIR=" + models, "MLX_MODEL_NAME=" + rel.Model, "MLX_MODEL_VERSION=" + strconv.Itoa(rel.Version)}, nil
}

// layStages puts the stages of a release where its server finds them, and writes down for it what they are.
func (a *app) layStages(ctx context.Context, service string, rel deploy.Release, at local.Place) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	dir := filepath.Dir(at.Dir)
	plan := cascade.Plan{Service: service, Release: rel.Key, Combine: *rel.Combine, Idempotent: rel.Serve.Idempotent, State: serviceDir(r, service)}
	for _, stage := range rel.Stages {
		one := cascade.Stage{ReleaseStage: stage}
		if stage.List != nil {
			one.Index = filepath.Join(dir, cascadeIndexes, stage.Name)
			if err := a.layList(ctx, rel, *stage.List, placed{at.Dir, one.Index}); err != nil {
				return err
			}
		} else {
			part := deploy.Release{Key: rel.Key, Model: stage.Model, Version: stage.Version, Record: stage.Record, Digest: stage.Digest}
			env, err := a.layModel(ctx, part, filepath.Join(dir, "stages", stage.Name))
			if err != nil {
				return err
			}
			one.Dir, one.Env = at.Dir, append([]string{"MLX_SERVICE=" + service, "MLX_RELEASE=" + rel.Key, "MLX_RELEASE_DIR=" + dir, "MLX_STAGE=" + stage.Name}, env...)
		}
		plan.Stages = append(plan.Stages, one)
	}
	if err := folder.WriteJSON(filepath.Join(dir, cascadePlan), plan); err != nil {
		return fault.New(fault.KindOf(err), "cannot lay out %s: %w", rel.Name(), err)
	}
	return nil
}

// placed is where the code of a release lies, and where a list of it is to lie.
type placed struct{ app, index string }

// layList makes the file that hashes are looked up in, once. One that stands there already is read whole, and made again when it is not as it
// was made.
func (a *app) layList(ctx context.Context, rel deploy.Release, list deploy.ReleaseList, at placed) error {
	source := listSource(rel, list)
	if whole(at.index, source) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(at.index), 0o700); err != nil {
		return fault.New(fault.KindOf(err), "cannot lay out %s: %w", rel.Name(), err)
	}
	build := func(open func() (io.ReadCloser, error)) error {
		return cascade.Build(ctx, cascade.Text{Name: list.Path, Open: open}, at.index, source)
	}
	var err error
	if list.Root.IsZero() {
		err = build(func() (io.ReadCloser, error) { return os.Open(filepath.Join(at.app, filepath.FromSlash(list.Path))) })
	} else {
		err = a.readSaved(ctx, located{Path: list.Path, Root: list.Root}, build)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.NotFound, "cannot lay out %s: %s belongs neither to a snapshot nor to the code that the release keeps", rel.Name(), list.Path).
				Hint("mlx snapshot %s", shellWord(list.Path))
		}
		return fault.New(fault.KindOf(err), "cannot lay out %s: %w", rel.Name(), err)
	}
	return nil
}

// listSource is what the file of a list is made of.
func listSource(rel deploy.Release, list deploy.ReleaseList) object.Digest {
	if list.Root.IsZero() {
		return object.Sum([]byte(rel.Code.Hex() + "\n" + list.Path)) // the code says what is in the file
	}
	return list.Root
}

// readSaved has a file read that was saved as a snapshot, from the store or from where it is.
func (a *app) readSaved(ctx context.Context, at located, read func(open func() (io.ReadCloser, error)) error) (err error) {
	from, err := a.hereOrigin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	return a.reading(ctx, piece{located: at, from: from}, nil, func() error {
		files, err := from.store.FS(ctx, at.Root)
		if err != nil {
			return err
		}
		name, err := insideName(files, at)
		if err != nil {
			return err
		}
		return read(func() (io.ReadCloser, error) { return files.Open(name) })
	})
}

// whole says whether a list is there, made of what it is to be made of, and as it was written.
func whole(index string, source object.Digest) bool {
	l, err := cascade.Open(index)
	if err != nil {
		return false
	}
	defer func() { _ = l.Close() }() // it was only read
	return l.Source() == [32]byte(source) && l.Verify() == nil
}
