package main

import (
	"context"
	"io"
	"io/fs"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// importances takes the weights of the columns from the model of the monitor, where it asks for that: from a file that its run wrote, that
// was logged there, or that lies in the model.
func (t *driftTurn) importances(ctx context.Context) error {
	if !t.monitor.Weights.Importance {
		return nil
	}
	v, _, err := t.app.modelNamed(ctx, t.monitor.Model)
	if err != nil {
		return err
	}
	var roots []object.Digest
	if v.Run != nil {
		view, err := t.app.runOf(ctx, target{Kind: refRun, ID: *v.Run})
		if err != nil {
			return err
		}
		for _, o := range view.Written() {
			if root, err := object.ParseDigest(o.Snapshot); err == nil && !root.IsZero() {
				roots = append(roots, root)
			}
		}
	}
	if !v.Root.IsZero() {
		roots = append(roots, v.Root)
	}
	for _, root := range roots {
		name, text, err := t.app.importanceFile(ctx, root)
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot read the importances of %s: %w", v.Name(), err)
		}
		if name == "" {
			continue
		}
		if t.spec.Weights, err = drift.Importances(name, text); err != nil {
			return fault.New(fault.Usage, "cannot read the importances of %s: %s: %w", v.Name(), name, err)
		}
		t.spec.WeightsOf = "importance of " + v.Name()
		t.weights = &gate.Ref{Kind: refModel, ID: object.Sum(text), Name: t.spec.WeightsOf}
		return nil
	}
	return fault.New(fault.NotFound, "cannot weigh columns by %s: its run wrote no feature_importance*.json or .csv", v.Name()).
		In(t.monitor.At).Hint("mlx record -o feature_importance.json   # in the training, or weights: {COLUMN: 2}")
}

// importanceFile is the first file of importances in a version; without one the name is empty.
func (a *app) importanceFile(ctx context.Context, root object.Digest) (name string, text []byte, err error) {
	store, err := a.store()
	if err != nil {
		return "", nil, err
	}
	tree, err := store.FS(ctx, root)
	if err != nil {
		return "", nil, err
	}
	err = fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !drift.IsImportances(p) {
			return err
		}
		f, err := tree.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		name = p
		if text, err = io.ReadAll(io.LimitReader(f, drift.MaxImportances+1)); err != nil {
			return err
		}
		return fs.SkipAll
	})
	return name, text, err
}
