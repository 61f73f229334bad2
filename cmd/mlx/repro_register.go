package main

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
	"mlx/internal/run"
)

// register makes the next versions of the models that a stage names, once it has succeeded. A stage that is restored or up to date has
// done that when it ran. A sample is no model.
func (w *reproWorld) register(ctx context.Context, s pipeline.Stage, result *run.Result) error {
	if len(s.Register) == 0 || result.View.State != run.Succeeded || w.sample != nil {
		return nil
	}
	if st := result.View.Stage; st != nil && len(st.Disturbed) > 0 {
		w.app.streams.Note("stage %s registers nothing: %s changed while it ran", s.Name, st.Disturbed[0])
		return nil
	}
	for _, model := range sortedKeys(s.Register) {
		if err := w.registerOne(ctx, model, s.Register[model], result.View); err != nil {
			return fault.New(fault.KindOf(err), "cannot register model %s of stage %s: %w", model, s.Name, err).
				Hint("mlx model register %s %s", shellWord(model), shellWord(refRun+":"+result.View.RunID.Short()+":"+s.Register[model]))
		}
	}
	return nil
}

func (w *reproWorld) registerOne(ctx context.Context, model, out string, v run.View) error {
	if !slices.ContainsFunc(v.Outputs, func(o run.ViewOutput) bool { return o.Path == out }) {
		return fault.New(fault.NotFound, "it did not write %s", out)
	}
	c := candidate{app: w.app}
	defer func() { c.release() }()
	if err := c.ofRun(ctx, target{Kind: refRun, ID: v.RunID, Inner: out}); err != nil {
		return err
	}
	if err := c.look(ctx); err != nil {
		return err
	}
	c.body.Model = model
	version, fresh, err := w.app.register(ctx, c)
	if err == nil && fresh {
		w.app.streams.Note("registered %s  %s", version.Name(), version.Digest.Short())
	}
	return err
}
