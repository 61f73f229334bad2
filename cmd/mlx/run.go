package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/run"
)

type runOptions struct {
	params     []string
	paramsFile string
	data       []string
	outs       []string
	name       string
	experiment string
	tags       []string
	timeout    string
	captureURI bool
	command    []string
	on         onFlags
}

func newRun(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [FLAGS] [--] COMMAND…",
		Short: "Run a command and record what made what",
		Long: `Records the commit and the uncommitted changes, the data, the parameters, the metrics, the outputs, how the command ended,
how long it took, what it used meanwhile and what it printed. Output and status are those of the command; 125 is mlx's own
trouble.

The command finds MLX_PARAMS (a JSON file with the parameters), MLX_METRICS (a file to write metrics to: one JSON object
of numbers, or one a line with "step" and "time"), MLX_CHILDREN (a file to write runs inside this one to, such as the trials
of a study, one JSON object a line), MLX_RUN_ID and MLX_ATTEMPT in its environment, and MLFLOW_TRACKING_URI: what a
program tracks with MLflow becomes part of the run. A version of a model that -d names is laid out for the command:
MLX_MODEL and MLX_MODEL_NAME hold its path. With one -o MLX_OUT holds the path of the output. What the run makes of it is derived from that version.

With --on the command runs on a backend of mlx.yaml. The work tree as it is now travels there, without what git ignores, .git and
virtual environments; so does the data of -d, unless the node has it already. Its output is shown as it comes, and its outputs, records
and metrics come back. The first interrupt ends the command, a second one leaves it running. With --detach nothing waits: mlx job
attach, wait, logs and cancel work from every clone.`,
		Example: `mlx run -d data/flights -p depth=6 -o model.pkl python train.py
mlx run -d flights@v1 -o model.pkl python tune.py
mlx run --name baseline --timeout 2h -- make train
mlx run --on local --detach -o model.pkl python train.py`,
		Args:        cobra.ArbitraryArgs,
		Annotations: map[string]string{troubleStatus: "125"},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			o.on.note(cmd.Flags())
			return runRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false) // what follows the command belongs to it
	flags.SortFlags = false
	flags.StringArrayVarP(&o.params, "param", "p", nil, "parameter `KEY=VALUE`; repeat it for more")
	flags.StringVar(&o.paramsFile, "params", "", "YAML or JSON `FILE` of parameters; -p wins over it")
	flags.StringArrayVarP(&o.data, "data", "d", nil, "`PATH` of data that the command reads, saved first if it is in no snapshot; or NAME@v3, a version of a model")
	flags.StringArrayVarP(&o.outs, "out", "o", nil, "`PATH` of a file or folder that the command writes; saved when it ends")
	flags.StringVar(&o.name, "name", "", "name of the run: run:`NAME` refers to the newest of that name")
	flags.StringVar(&o.experiment, "experiment", "", "`NAME` of the experiment that the run belongs to")
	flags.StringArrayVar(&o.tags, "tag", nil, "tag the run with `NAME[=VALUE]`")
	flags.StringVar(&o.timeout, "timeout", "", "end the command after this `TIME`: 90s, 5m, 2h")
	flags.BoolVar(&o.captureURI, "capture-uri", false, "record here what a Python program tracks with MLflow, even if it names another URI")
	o.on.add(a, cmd)
	completeFlag(cmd, "data", a.completePaths)
	return cmd
}

func runRun(ctx context.Context, a *app, o runOptions) error {
	if len(o.command) == 0 {
		return fault.New(fault.Usage, "cannot start the run: no command").Hint("mlx run [FLAGS] COMMAND…   # mlx run -h shows the flags")
	}
	if ask, remote, err := o.on.ask(); err != nil || remote {
		if err != nil {
			return err
		}
		return runOn(ctx, a, o, ask)
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	spec, err := o.spec(a, r)
	if err != nil {
		return err
	}
	if spec.Code, spec.Patch, err = codeOf(ctx, r, spec.Outs); err != nil {
		return err
	}
	paths, models, err := a.give(ctx, o.data)
	if err != nil {
		return err
	}
	defer models.release()
	spec.Used, spec.Env = models.used, append(spec.Env, models.env...)
	data, release, err := runData(ctx, a, paths)
	if err != nil {
		return err
	}
	defer release()
	spec.Data = data
	result, err := a.executeRun(ctx, spec, live{os.Stdin, os.Stdout, os.Stderr, o.captureURI})
	if err != nil {
		return err
	}
	if err := a.ran(context.WithoutCancel(ctx), o, result); err != nil {
		return err
	}
	a.pushAfter(ctx, result)
	return nil
}

// ran reports a run that ended: its summary goes to stderr, because stdout is the command's.
func (a *app) ran(ctx context.Context, o runOptions, result *run.Result) error {
	for _, tag := range o.tags {
		if err := a.tagRun(ctx, result.View.RunID, tag); err != nil {
			result.Troubles = append(result.Troubles, err)
		}
	}
	if len(result.Troubles) > 0 && result.Status == 0 {
		result.Status = 125
	}
	result.View.Text = cli.Sentence(runWords(result.View)...)
	a.fillJob(&result.View)
	s := a.streams
	summary := cli.Streams{Out: s.Err, OutTTY: true, Color: s.ErrColor, JSON: s.JSON, Quiet: s.Quiet, Now: s.Now}
	if result.OpenLine && s.ErrTTY && !s.JSON && (!s.Quiet || result.Status != 0) { // a progress bar, say
		if err := summary.Raw([]byte("\n")); err != nil {
			return err
		}
	}
	err := summary.EmitVerdict(result.View, result.Status != 0, func(t *cli.Text) { runText(result.View, a.shown, t) })
	for _, path := range result.Untouched {
		s.Note("%s was there before and is as it was; it is recorded as what the run gave", a.shown(path))
	}
	for _, trouble := range result.Troubles {
		s.FailAs(trouble, result.Status)
	}
	a.child = result.Status
	return err
}
