package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
)

type recordOptions struct {
	metrics []string
	params  []string
	outs    []string
	step    int64
	stepped bool
	ref     string
}

func newRecord(a *app) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record [NAME=NUMBER…]",
		Short: "Add metrics, parameters or files to the run in progress",
		Long: `Inside a run, adds a line to the file $MLX_METRICS: each metric becomes a series over steps and time. A metric without
--step counts its own steps from 0. Many processes may record at once. Parameters have one value in a run. Nothing is
printed there: stdout is the command's.

With --run, adds to another run in progress on this machine, or to one that ended: what it has is never replaced, and
who added what is part of the record.`,
		Example: `mlx record loss=0.42 val.auc=0.71 --step 100
mlx record -p optimizer=adam -o plots
mlx record --run @last review.auc=0.739`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.metrics, o.stepped = args, cmd.Flags().Changed("step")
			return recordRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Int64Var(&o.step, "step", 0, "the metrics belong to step `N`")
	flags.StringArrayVarP(&o.params, "param", "p", nil, "parameter `KEY=VALUE`; repeat it for more")
	flags.StringArrayVarP(&o.outs, "out", "o", nil, "`PATH` of a file or folder to save when the run ends; at once if it has ended")
	flags.StringVar(&o.ref, "run", "", "the run to add to, `REF`, instead of the one that this process belongs to")
	completeFlag(cmd, "out", a.completePaths)
	completeFlag(cmd, "run", a.completeRefs)
	return cmd
}

// recordedView is the JSON of `mlx record`.
type recordedView struct {
	Kind    string                `json:"kind"` // "recorded/v1"
	Run     fault.Ref             `json:"run"`
	Step    *int64                `json:"step"`
	Metrics map[string]run.Number `json:"metrics"`
	Params  map[string]any        `json:"params"`
	Outputs []string              `json:"outputs"` // below the repository root
	Changed bool                  `json:"changed"` // false: all of it was there already
}

func recordRun(ctx context.Context, a *app, o recordOptions) error {
	rec, outs, err := o.read(a)
	if err != nil {
		return err
	}
	v := recordedView{Kind: "recorded/v1", Step: rec.Step, Metrics: rec.Metrics, Params: rec.Params, Outputs: rec.Outs, Changed: true}
	if o.ref == "" {
		id, metrics := a.ownRun()
		if metrics == "" {
			return fault.New(fault.Usage, "cannot record: this process belongs to no run").
				Hint("mlx run -- COMMAND   # the command, and all that it starts, can record").
				Hint("mlx record --run @last NAME=NUMBER   # adds to a run that ended")
		}
		v.Run = refOf(refRun, id, "")
		if err := run.Record(filepath.Dir(metrics), metrics, a.now(), rec); err != nil {
			return err
		}
		a.streams.Quiet = true // stdout is that of the command
	} else if err := a.recordFor(ctx, o.ref, rec, outs, &v); err != nil {
		return err
	}
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) { recordedText(v, t) })
}

// read checks everything that was typed before anything is written.
func (o recordOptions) read(a *app) (run.Recording, []run.Out, error) {
	rec := run.Recording{Metrics: map[string]run.Number{}, Params: map[string]any{}, Outs: []string{}}
	if len(o.metrics)+len(o.params)+len(o.outs) == 0 {
		return rec, nil, fault.New(fault.Usage, "cannot record: nothing was given").Hint("mlx record NAME=NUMBER")
	}
	if o.stepped {
		if len(o.metrics) == 0 {
			return rec, nil, fault.New(fault.Usage, "cannot record: only metrics have a step").Hint("mlx record --step %d NAME=NUMBER", o.step)
		}
		rec.Step = &o.step
	}
	for _, word := range o.metrics {
		name, n, err := run.Metric(word)
		if err != nil {
			return rec, nil, err
		}
		rec.Metrics[name] = n
	}
	for _, word := range o.params {
		name, value, err := run.Param(word)
		if err != nil {
			return rec, nil, err
		}
		rec.Params[name] = value
	}
	if len(o.outs) == 0 {
		return rec, nil, nil
	}
	r, err := a.repo()
	if err != nil {
		return rec, nil, err
	}
	var outs []run.Out
	for _, path := range o.outs {
		rel, err := r.Rel(path)
		if err != nil {
			return rec, nil, err
		}
		rec.Outs = append(rec.Outs, rel)
		outs = append(outs, run.Out{Path: rel, Abs: r.Abs(rel)})
	}
	return rec, outs, nil
}

// ownRun is the run that this process belongs to: its id, and the file of its metrics.
func (a *app) ownRun() (id, metrics string) {
	for _, v := range a.environ {
		if file, ok := strings.CutPrefix(v, "MLX_METRICS="); ok {
			metrics = file
		}
	}
	if id = a.outerRun(); id == "" || !filepath.IsAbs(metrics) {
		return "", ""
	}
	return id, metrics
}

// recordFor adds to a run that this process does not belong to.
func (a *app) recordFor(ctx context.Context, ref string, rec run.Recording, outs []run.Out, v *recordedView) error {
	found, err := a.resolve(ctx, ref)
	if err != nil {
		return err
	}
	if found.Kind != refRun {
		return fault.New(fault.Usage, "cannot record: %s is no run", found.short()).Hint("mlx log -k run")
	}
	is, err := a.runOf(ctx, found)
	if err != nil {
		return err
	}
	v.Run = refOf(refRun, is.ID, "")
	switch {
	case is.State == run.Running:
		return a.recordLive(is, rec)
	case is.EndedAt == nil:
		return fault.New(fault.Conflict, "cannot record: run %s is %s", is.RunID.Short(), is.State).About(v.Run)
	case len(rec.Params) > 0:
		return fault.New(fault.Usage, "cannot record a parameter: run %s has ended, and parameters are what it ran with", is.RunID.Short()).
			About(v.Run).Hint("mlx tag %s NAME=VALUE   # says something of a run", is.RunID.Short())
	case rec.Step != nil:
		return fault.New(fault.Usage, "cannot record at a step: run %s has ended, and with it its series", is.RunID.Short()).
			About(v.Run).Hint("mlx record --run %s NAME=NUMBER   # adds a single value", is.RunID.Short())
	}
	return a.recordLater(ctx, is.RunID, rec, outs, v)
}

// recordLive adds to a run in progress, through its folder.
func (a *app) recordLive(is run.View, rec run.Recording) error {
	dir, err := a.folderOf(is)
	if err != nil {
		return err
	}
	if dir == "" {
		return fault.New(fault.Conflict, "cannot record: run %s is in progress on %s, not in this clone", is.RunID.Short(), is.Machine.Host).
			Hint("mlx record NAME=NUMBER   # there, by the run itself")
	}
	return run.Record(dir, filepath.Join(dir, "metrics.json"), a.now(), rec)
}

func (a *app) recordLater(ctx context.Context, id object.Digest, rec run.Recording, outs []run.Out, v *recordedView) error {
	l, err := a.ledger()
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	_, v.Changed, err = run.Runner{Ledger: l, Store: s, Now: a.now}.RecordLater(ctx, id, a.user(), rec, outs)
	return err
}

func recordedText(v recordedView, t *cli.Text) {
	cells := []cli.Cell{cli.Fmt("recorded for run %s", cli.Hex(v.Run.ID, 12))}
	if !v.Changed {
		cells[0] = cli.Fmt("nothing changed: run %s has", cli.Hex(v.Run.ID, 12))
	}
	for _, name := range sortedKeys(v.Metrics) {
		cells = append(cells, cli.Fmt("%s %s", cli.Str(name), cli.Float(float64(v.Metrics[name]))))
	}
	for _, name := range sortedKeys(v.Params) {
		cells = append(cells, cli.Fmt("%s %s", cli.Str(name), paramCell(v.Params[name])))
	}
	for _, path := range v.Outputs {
		cells = append(cells, cli.Path(path))
	}
	t.Line(cells...)
}
