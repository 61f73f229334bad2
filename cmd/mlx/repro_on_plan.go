package main

import (
	"context"

	"mlx/internal/pipeline"
	"mlx/internal/run"
)

// sentSizes measures what stages would send to their backends. The work tree is measured once.
type sentSizes struct {
	w    *reproWorld
	tree int64
	done bool
}

func newSentSizes(w *reproWorld) *sentSizes { return &sentSizes{w: w} }

// of is the size of what a stage would send to a node that has nothing of it. What another stage is still to make is not counted.
func (z *sentSizes) of(ctx context.Context, d pipeline.Decision) (int64, error) {
	files, err := z.w.tracked()
	if err != nil {
		return 0, err
	}
	if !z.done {
		if z.tree, err = z.code(ctx); err != nil {
			return 0, err
		}
		z.done = true
	}
	sum := z.tree
	for _, dep := range d.Stage.Deps {
		if files.Hold(dep) && pointerAbove(z.w.repo, dep) == "" {
			continue
		}
		_, bytes, err := sizeBelow(z.w.abs(dep))
		if err == nil {
			sum += bytes
		}
	}
	return sum, nil
}

func (z *sentSizes) code(ctx context.Context) (int64, error) {
	code, _, err := codeOf(ctx, z.w.repo, nil)
	if err != nil {
		return 0, err
	}
	tree, err := z.w.app.treeOf(ctx, z.w.repo, run.Spec{Code: code})
	return tree.bytes, err
}
