package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/run"
)

type rerunOptions struct {
	ref          string
	times        int
	tolerance    []string
	dryRun       bool
	inconclusive string
	on           string
}

func newRerun(a *app) *cobra.Command {
	var o rerunOptions
	cmd := &cobra.Command{
		Use:   "rerun REF",
		Short: "Run a recorded run again and compare the results",
		Long: `REF is a run, or a file that a run wrote. The run is repeated in a clean work tree: the recorded commit with the recorded
uncommitted changes, untracked files, data, parameters, variables and time limit, and what is installed here now. Nothing
of what you work on changes. Then every metric and output is compared: identical, equal within the tolerance, or
different, with what likely caused it. Where a run has metrics they decide, else its outputs do. The answer is recorded.

With --on it is repeated on that backend, wherever it ran before: what is installed there then counts.

A tolerance is a number, which bounds the difference, or the difference over the recorded value if that is more; of one
metric, METRIC=NUMBER, only the difference; or a share such as 1%, which bounds the difference over the recorded value.
METRIC=inf leaves a metric out, as is right for times.

Status 0 says that the results are the same, 1 that they differ, 3 that it cannot be told: repeats differ among
themselves, the run did not succeed, or it wrote nothing to compare.`,
		Example: `mlx rerun @last --dry-run
mlx rerun @last
mlx rerun model.pkl --times 3
mlx rerun @last --tolerance 1% --tolerance auc=0.001
mlx rerun @last --on local`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return rerunRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeRefs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&o.times, "times", 1, "repeat it `N` times: that tells chance from a changed environment")
	flags.StringArrayVar(&o.tolerance, "tolerance", nil, "`LIMIT` or METRIC=LIMIT up to which a metric counts as equal; default "+run.DefaultTolerance)
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would run, and what is missing or differs; change nothing")
	flags.StringVar(&o.inconclusive, "inconclusive", "", "end with the status of pass or fail (`VERDICT`) instead of 3")
	flags.StringVar(&o.on, "on", "", "repeat it on `BACKEND` of mlx.yaml")
	completeFlag(cmd, "inconclusive", completeWords("pass", "fail"))
	completeFlag(cmd, "on", a.completeBackends)
	return cmd
}

// maxTimes bounds how often a run is repeated by one command.
const maxTimes = 1000

func rerunRun(ctx context.Context, a *app, o rerunOptions) error {
	if o.times < 1 || o.times > maxTimes {
		return fault.New(fault.Usage, "cannot repeat a run %d times", o.times).Hint("--times 3")
	}
	if err := checkInconclusive(o.inconclusive); err != nil {
		return err
	}
	tolerance, err := run.ParseTolerance(o.tolerance)
	if err != nil {
		return err
	}
	job, err := a.rerunJob(ctx, o.ref)
	if err != nil {
		return err
	}
	job.times, job.tolerance, job.dryRun, job.on = o.times, tolerance, o.dryRun, o.on
	defer job.release()
	if err := job.look(ctx); err != nil {
		return err
	}
	if o.dryRun {
		return job.plan()
	}
	if len(job.lacks) > 0 {
		return a.untold(job.lacks)
	}
	for _, n := range job.needs {
		if surrounds(n) {
			a.streams.Note("%s", n.What)
		}
	}
	rec, err := job.judge(ctx)
	if err != nil {
		return err
	}
	v, err := run.RerunOf(rec)
	if err != nil {
		return err
	}
	job.noteData(ctx)
	v.Of.Name, v.Mapped = job.name(), mappedVerdict(v.Verdict, o.inconclusive)
	a.answer(verdictAnswer(v.Verdict, v.Mapped))
	return a.printRerun(v, job)
}

// judge repeats the run, compares, and records the answer.
func (j *rerunJob) judge(ctx context.Context) (rec lineage.Record, err error) {
	a := j.app
	l, err := a.ledger()
	if err != nil {
		return rec, err
	}
	a.sweepReruns(j.repo)
	var repeats []run.View
	var tree *rerunTree
	defer func() { err = errors.Join(err, tree.remove()) }()
	for n := range j.times {
		if err := tree.remove(); err != nil {
			return rec, err
		}
		if tree, err = j.build(ctx); err != nil {
			return rec, err
		}
		a.streams.Why("repeat %d of %d in %s", n+1, j.times, tree.repo.Root)
		v, err := j.repeat(ctx, tree)
		if err != nil {
			return rec, err
		}
		repeats = append(repeats, v)
	}
	answer := run.Rejudgement{
		Comparison: run.Compare(j.original, repeats, j.tolerance, j.steps(ctx, tree, repeats[0])), Of: j.original.RunID, Tolerance: j.tolerance, Missing: j.needs,
	}
	for _, v := range repeats {
		answer.Runs = append(answer.Runs, v.RunID)
	}
	answer.Causes = j.causes(ctx, tree, answer.Comparison, repeats)
	return answer.Keep(ctx, l)
}

// repeat executes the run once in a tree. What it prints goes to stderr: stdout is for the answer.
func (j *rerunJob) repeat(ctx context.Context, tree *rerunTree) (run.View, error) {
	spec, err := j.spec(ctx, tree)
	if err != nil {
		return run.View{}, err
	}
	if j.on != "" {
		return j.repeatOn(ctx, tree, spec)
	}
	models, err := j.app.giveAgain(ctx, j.body.Used)
	if err != nil {
		return run.View{}, fault.New(fault.KindOf(err), "cannot rerun %s: %w", j.original.RunID.Short(), err)
	}
	defer models.release()
	spec.Used, spec.Env = models.used, append(spec.Env, models.env...)
	out := live{stdout: os.Stderr, stderr: os.Stderr}
	if j.app.streams.Quiet {
		out = live{}
	}
	result, err := tree.app.executeRun(ctx, spec, out)
	return j.repeated(ctx, result, err)
}

// repeated looks at how a repeat ended.
func (j *rerunJob) repeated(ctx context.Context, result *run.Result, err error) (run.View, error) {
	if errors.Is(err, context.Canceled) {
		return run.View{}, err
	}
	if err != nil {
		return run.View{}, fault.New(fault.KindOf(err), "cannot rerun %s: %w", j.original.RunID.Short(), err)
	}
	if ctx.Err() != nil || result.View.State == run.Cancelled {
		return run.View{}, context.Canceled
	}
	for _, trouble := range result.Troubles {
		j.app.streams.Note("run %s: %v", result.View.RunID.Short(), trouble)
	}
	return result.View, nil
}

// steps compares the series of the run with those of a repeat. What cannot be read is not compared.
func (j *rerunJob) steps(ctx context.Context, tree *rerunTree, repeat run.View) map[string]run.Step {
	var curves [2]*run.Curves
	store, err := tree.app.store()
	for i, series := range []*run.Series{j.body.Series, repeat.Series} {
		if err == nil {
			curves[i], err = run.ReadSeries(ctx, store, series)
		}
	}
	var steps map[string]run.Step
	if err == nil {
		steps, err = run.FirstSteps(curves[0], curves[1], j.tolerance)
	}
	if err != nil {
		j.app.streams.Why("series are not compared: %v", err)
	}
	return steps
}

// name is what a person would call the run.
func (j *rerunJob) name() string {
	if j.original.Name != nil {
		return *j.original.Name
	}
	return ""
}
