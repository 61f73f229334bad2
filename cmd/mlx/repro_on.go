package main

import (
	"cmp"
	"context"
	"os"
	"runtime"
	"slices"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/pipeline"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

// reproAway is what the stages of one call that run on backends share.
type reproAway struct {
	plan    sync.Mutex // one at a time is planned: what that opens is shared
	mu      sync.Mutex
	batches map[string]*train.Batch // by backend and matrix
}

func (y *reproAway) batch(on, group string) *train.Batch {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.batches == nil {
		y.batches = map[string]*train.Batch{}
	}
	key := on + "\x00" + group
	if y.batches[key] == nil {
		y.batches[key] = &train.Batch{}
	}
	return y.batches[key]
}

// backendOf is the backend that a stage runs on; empty for this process. Samples are run where they are made.
func (w *reproWorld) backendOf(s pipeline.Stage) string {
	on := cmp.Or(w.on, s.On)
	if w.sample != nil || on == "" {
		return ""
	}
	if c, err := w.app.config(); err == nil && w.on == "" && on == "local" {
		if _, declared := c.Backends.Get(on); !declared {
			return "" // as if it said nothing
		}
	}
	return on
}

// mayExecuteOn refuses what cannot run on its backend, before anything is touched.
func (w *reproWorld) mayExecuteOn(s pipeline.Stage) error {
	on := w.backendOf(s)
	if on == "" {
		return nil
	}
	if _, err := w.app.backend(on); err != nil {
		return err
	}
	for _, o := range s.Outs {
		if _, err := w.repo.Rel(w.repo.Abs(o.Path)); err != nil {
			return fault.New(fault.Usage, "cannot run stage %s on %s: its output %s leads out of the project%s", s.Name, on, o.Path, s.Line()).In(s.At)
		}
	}
	for _, d := range s.Deps {
		if _, err := w.repo.Rel(w.repo.Abs(d)); err != nil {
			return fault.New(fault.Usage, "cannot run stage %s on %s: it reads %s, which is outside of the project and cannot be sent%s", s.Name, on, d, s.Line()).In(s.At)
		}
	}
	return nil
}

// stageNeeds is what a stage says of the resources that it needs.
func (a *app) stageNeeds(ctx context.Context, stage string) (train.Resources, error) {
	p, err := a.readPipeline(ctx)
	if err != nil {
		return train.Resources{}, err
	}
	if i := slices.IndexFunc(p.Steps, func(t repo.Step) bool { return t.Name == stage }); i >= 0 {
		return resourcesOf(p.Steps[i].Needs), nil
	}
	return train.Resources{}, nil
}

// askOf is what a stage asks of its backend: its own resources over those of the backend, and its retries there, where a place that
// was lost can be told from a command that failed.
func (w *reproWorld) askOf(s pipeline.Stage, ask *onAsk) error {
	var err error
	if ask.Resources, err = w.app.stageNeeds(context.Background(), s.Name); err != nil {
		return err
	}
	ask.Retries = s.Retries
	for _, o := range s.Outs {
		if o.Metrics {
			ask.MetricFiles = append(ask.MetricFiles, o.Path)
		}
	}
	return ask.Resources.Check()
}

// elsewhere executes a stage on a backend. A run of the same stage from the same inputs that is under way there, because the mlx that
// started it was stopped, is followed instead.
func (x reproExecutor) elsewhere(ctx context.Context, step pipeline.Step, on string, l live) (pipeline.Outcome, error) {
	a, w, s := x.w.app, x.w, step.Stage
	seat := x.away.batch(on, s.Group).Join()
	defer seat.Leave()
	result, err := w.follow(ctx, step, on, l, seat.Leave)
	if result == nil && err == nil {
		result, err = x.begin(ctx, step, onAsk{Backend: on, Seat: seat}, l)
	}
	if err != nil {
		return pipeline.Outcome{}, err
	}
	for _, t := range result.Troubles {
		a.streams.Note("stage %s: %v", s.Name, t)
	}
	err = w.register(context.WithoutCancel(ctx), s, result)
	a.pushAfter(context.WithoutCancel(ctx), result)
	out := outcomeOf(result)
	out.Final = true
	return out, err
}

// begin sends a stage to its backend.
func (x reproExecutor) begin(ctx context.Context, step pipeline.Step, ask onAsk, l live) (*run.Result, error) {
	w := x.w
	if err := w.askOf(step.Stage, &ask); err != nil {
		return nil, err
	}
	x.away.plan.Lock()
	planned := sync.OnceFunc(x.away.plan.Unlock)
	defer planned()
	spec, release, err := x.spec(ctx, step)
	if err != nil {
		return nil, err
	}
	defer release()
	more, free, err := w.dataBeside(ctx, step, spec.Data)
	if err != nil {
		return nil, err
	}
	defer free()
	spec.Data, spec.After = append(spec.Data, more...), nil
	if ask.Backend != "local" || runtime.GOOS != "windows" {
		spec.Command = []string{"sh", "-c", step.Stage.Cmd} // it is that system's shell, not ours
	}
	ask.Planned = func(ctx context.Context) error {
		defer planned()
		return w.unchanged(ctx, step)
	}
	return w.app.executeOn(ctx, spec, ask, l)
}

// dataBeside are versions of what a stage finds beside its deps when it runs here: files of parameters that no commit holds, because
// another stage wrote them, and outputs that stay from one run to the next.
func (w *reproWorld) dataBeside(ctx context.Context, step pipeline.Step, known []run.Data) (all []run.Data, release func(), err error) {
	var releases []func() error
	release = func() { w.app.free(releases) }
	files, err := w.tracked()
	if err != nil {
		return nil, release, err
	}
	var paths []string
	for _, p := range step.Stage.Params {
		if p.File != "" && !files.Hold(p.File) {
			paths = append(paths, p.File)
		}
	}
	for _, o := range step.Stage.Outs {
		if o.Persist {
			paths = append(paths, o.Path)
		}
	}
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		if slices.ContainsFunc(known, func(d run.Data) bool { return within(p, d.Path) }) {
			continue
		}
		if _, err := os.Lstat(w.abs(p)); err != nil {
			continue
		}
		v, err := w.store.Save(ctx, snapshot.SaveOptions{Path: w.abs(p)})
		if err != nil {
			release()
			return nil, func() {}, fault.New(fault.KindOf(err), "cannot keep %s for stage %s: %w", w.app.shown(p), step.Stage.Name, err)
		}
		releases, all = append(releases, v.Release), append(all, run.Data{Path: p, Root: v.Root, Kind: string(v.Summary.Kind)})
	}
	return all, release, nil
}

// unchanged makes sure that what was kept to be sent is what the key of the stage was made of. From then on nobody can change it.
func (w *reproWorld) unchanged(ctx context.Context, step pipeline.Step) error {
	paths := make([]string, len(step.Deps))
	for i, d := range step.Deps {
		paths[i] = d.Path
	}
	now, err := w.identify(ctx, paths)
	if err != nil {
		return err
	}
	for _, d := range step.Deps {
		if id, there := now[d.Path]; !there || id.Digest != d.Digest || id.Executable != d.Executable {
			return fault.New(fault.Conflict, "cannot send stage %s: %s changed meanwhile", step.Stage.Name, w.app.shown(d.Path)).
				Hint("mlx repro %s", shellWord(step.Stage.Name))
		}
	}
	return nil
}

// follow goes on with a run of the stage that is under way. nil: there is none, or it came to nothing without anybody here having
// stopped it.
func (w *reproWorld) follow(ctx context.Context, step pipeline.Step, on string, l live, alone func()) (*run.Result, error) {
	if w.fresh {
		return nil, nil
	}
	v, err := w.underWay(ctx, step.Key, on)
	if v == nil || err != nil {
		return nil, err
	}
	alone() // nobody waits for it to be submitted
	a := w.app
	a.streams.Note("stage %s is run %s on %s already: following it", step.Stage.Name, v.RunID.Short(), on)
	j, err := a.reopenJob(ctx, *v)
	if err != nil {
		return nil, err
	}
	links := newLinks()
	defer links.close()
	if _, err := j.goOn(ctx, links); err != nil {
		return nil, err
	}
	result, err := j.finish(ctx, links, l)
	if err != nil {
		return nil, err
	}
	if st := result.View.State; (st == run.Lost || st == run.Cancelled) && ctx.Err() == nil {
		a.streams.Note("run %s: %s, so stage %s is run anew", v.RunID.Short(), st, step.Stage.Name)
		return nil, nil
	}
	return result, nil
}

// underWay finds the newest run of a key on a backend of which no end is recorded.
func (w *reproWorld) underWay(ctx context.Context, key object.Digest, on string) (*run.View, error) {
	var found *run.View
	for rec, err := range w.ledger.Mentioning(ctx, []object.Digest{key}, run.Started.Name()) {
		if err != nil {
			return nil, err
		}
		body, err := run.Started.Decode(rec)
		if err != nil || body.Stage == nil || body.Stage.Key != key || body.Job == nil || body.Job.Backend != on {
			continue
		}
		v, err := w.app.history(w.ledger).Get(ctx, rec.ID)
		if err != nil {
			return nil, err
		}
		if v.EndedAt == nil && (found == nil || body.StartedAt.After(found.Job.SubmittedAt)) {
			found = &v
		}
	}
	return found, ctx.Err()
}
