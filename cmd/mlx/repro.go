package main

import (
	"context"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
)

type reproOptions struct {
	stages    []string
	dryRun    bool
	only      bool
	sample    bool
	jobs      int
	fresh     bool
	keepGoing bool
	pull      bool
	on        string
}

func newRepro(a *app) *cobra.Command {
	var o reproOptions
	cmd := &cobra.Command{
		Use:   "repro [STAGE…]",
		Short: "Bring pipeline stages up to date",
		Long: `Runs the stages of mlx.yaml, or of dvc.yaml, whose inputs changed, and what they need; without STAGE all of them. Inputs are the
command, its env and folder, the parameters and the content of deps. Where an earlier run, here or pulled, made the outputs
from the same inputs, they are restored and nothing is executed. Each stage that executes is a run: mlx show stage:NAME.

A stage with on: runs on that backend as mlx run --on does: what it reads is sent, what it writes comes back, and -j runs several at
once. Where mlx was stopped meanwhile, the next mlx repro follows the run that goes on there.

Outputs are removed before their stage runs, and git is told to ignore them. What the commands print goes to stderr.`,
		Example: `mlx repro
mlx repro train --dry-run
mlx repro -j 4 --keep-going
mlx repro train --only --fresh`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.stages = args
			return reproRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would run or be restored, and why; change nothing")
	flags.BoolVar(&o.only, "only", false, "execute the named stages alone; what they need is restored at most")
	flags.BoolVar(&o.sample, "sample", false, "run on the declared samples, in a copy of the project that is removed afterwards")
	flags.IntVarP(&o.jobs, "jobs", "j", 1, "run up to `N` stages side by side")
	flags.BoolVar(&o.fresh, "fresh", false, "execute the named stages, whatever was made before, and read every file again")
	flags.BoolVar(&o.keepGoing, "keep-going", false, "after a failure, go on with what does not depend on it")
	flags.BoolVar(&o.pull, "pull", false, "fetch missing inputs, and outputs that others have made, from the remote")
	flags.StringVar(&o.on, "on", "", "run the stages on `BACKEND`, whatever their on: says")
	completeFlag(cmd, "on", a.completeBackends)
	return cmd
}

func reproRun(ctx context.Context, a *app, o reproOptions) error {
	switch {
	case o.jobs < 1:
		return fault.New(fault.Usage, "cannot run %d stages at once", o.jobs).Hint("mlx repro -j 2")
	case o.sample && o.on != "":
		return fault.New(fault.Usage, "cannot use --on with --sample: samples run where they are made").Hint("mlx repro --sample")
	case o.sample && o.pull:
		return fault.New(fault.Usage, "cannot use --pull with --sample: a sample is made of what is here").Hint("mlx pull   # before")
	}
	r := repro{app: a, o: o}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	defer r.close()
	planned, err := r.planner.Plan(ctx, r.chosen)
	if err != nil {
		return err
	}
	for _, d := range planned {
		if d.Do != pipeline.Run || r.world.restoreOnly[d.Stage.Name] {
			continue
		}
		if err = r.world.mayExecute(ctx, d.Stage); err != nil {
			break
		}
	}
	if o.dryRun {
		return r.emitPlan(ctx, planned, err)
	}
	if err != nil {
		return err
	}
	return r.apply(ctx)
}

// repro is one call of mlx repro.
type repro struct {
	app     *app
	o       reproOptions
	graph   *pipeline.Graph
	world   *reproWorld
	planner *pipeline.Planner
	chosen  []int
}

// prepare reads the pipeline and looks at everything that the chosen stages read and write.
func (r *repro) prepare(ctx context.Context) (err error) {
	all, err := r.app.stages(ctx)
	if err != nil {
		return err
	}
	named, err := selectStages(all, r.app.fromHere(all, r.o.stages))
	if err != nil {
		return err
	}
	if r.graph, err = pipeline.NewGraph(all); err != nil {
		return err
	}
	fresh := map[string]string{}
	names := make([]string, len(named))
	for i, s := range named {
		names[i] = s.Name
		if r.o.fresh {
			fresh[s.Name] = "--fresh"
		}
	}
	if r.chosen, err = r.graph.Select(names, r.o.only); err != nil {
		return err
	}
	if r.world, err = r.app.reproWorld(ctx, r.graph); err != nil {
		return err
	}
	r.world.planOnly, r.world.on = r.o.dryRun, r.o.on
	if r.world.fresh = r.o.fresh; r.o.sample {
		for _, i := range r.chosen {
			fresh[r.graph.Stages[i].Name] = "--sample"
		}
		defer func() {
			if err != nil {
				r.close()
			}
		}()
		err = r.startSample(ctx)
	} else {
		err = r.lookForInputs(ctx)
	}
	if err != nil {
		return err
	}
	if r.o.pull {
		if r.world.remote, err = r.app.reproRemote(ctx); err != nil {
			return err
		}
	}
	if r.o.only && !r.o.sample {
		if err := r.restorable(ctx, names); err != nil {
			return err
		}
	}
	r.planner, err = pipeline.NewPlanner(ctx, r.graph, r.world.world(), pipeline.Options{Fresh: fresh}, r.chosen)
	return err
}

// restorable adds to stages that are to run alone what they need, if something of that is not there, or with --pull, and all of
// it can be had without executing anything: as on a machine that executes one stage of the pipeline.
func (r *repro) restorable(ctx context.Context, names []string) error {
	alone := map[int]bool{}
	missing := r.o.pull // what stands there may be of other inputs
	for _, i := range r.chosen {
		alone[i] = true
	}
	for _, i := range r.chosen {
		for _, dep := range append(slices.Clone(r.graph.Stages[i].Deps), r.graph.Late(i)...) {
			_, err := os.Lstat(r.world.abs(dep))
			missing = missing || err != nil
		}
	}
	all, err := r.graph.Select(names, false)
	if err != nil || !missing || len(all) == len(r.chosen) {
		return err
	}
	for _, i := range all {
		if s := &r.graph.Stages[i]; !alone[i] {
			s.Always, r.world.restoreOnly[s.Name] = false, true // what it has made counts
		}
	}
	p, err := pipeline.NewPlanner(ctx, r.graph, r.world.world(), pipeline.Options{}, all)
	if err != nil {
		r.app.streams.Why("cannot restore what is needed: %v", err)
		return nil
	}
	planned, err := p.Plan(ctx, all)
	if err != nil {
		r.app.streams.Why("cannot restore what is needed: %v", err)
		return nil
	}
	for k, i := range all {
		if d := planned[k]; !alone[i] && d.Do == pipeline.Run && !d.Open {
			r.app.streams.Why("cannot restore what is needed: stage %s would have to run because %s", d.Stage.Name, d.Why)
			return nil
		}
	}
	r.chosen = all
	return nil
}

// lookForInputs refuses to begin where something is missing that no stage makes. Tracked data is fetched where --pull says so.
func (r *repro) lookForInputs(ctx context.Context) error {
	chosen := make([]pipeline.Stage, len(r.chosen))
	for k, i := range r.chosen {
		chosen[k] = r.graph.Stages[i]
	}
	return r.app.missingDeps(ctx, chosen, func(path string) bool { return r.o.pull && pointerAbove(r.world.repo, path) != "" })
}

func (r *repro) close() {
	if r.world != nil && r.world.sample != nil {
		r.world.sample.remove()
	}
}

// apply carries the plan out and reports every stage as it ends.
func (r *repro) apply(ctx context.Context) error {
	report := reproReport{app: r.app, sample: r.o.sample}
	start := r.app.now()
	results := r.planner.Apply(ctx, r.chosen, pipeline.ApplyOptions{
		Jobs: r.o.jobs, KeepGoing: r.o.keepGoing, Report: report.stage,
		Executor: reproExecutor{w: r.world, side: r.o.jobs > 1, away: &reproAway{}},
	})
	report.took = r.app.now().Sub(start)
	if err := report.end(results); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return pipeline.Trouble(results)
}

// completeStages offers the names of stages.
func (a *app) completeStages(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.stageNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
}
