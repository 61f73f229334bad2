package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/registry"
	"mlx/internal/run"
)

type modelConvertOptions struct {
	ref     string
	name    string
	out     string
	why     string
	gates   []string
	command []string
}

func newModelConvert(a *app) *cobra.Command {
	var o modelConvertOptions
	cmd := &cobra.Command{
		Use:   "convert REF -- COMMAND…",
		Short: "Derive a version in another format and compare both",
		Long: `Runs a tool that converts, quantises, prunes or distils a version, records the run, and registers what it writes as a version that is
derived from the first. The tool finds the model at MLX_MODEL, its folder in MLX_MODEL_DIR, and writes to the file or folder MLX_OUT; what
it prints goes to stderr.

The change in size is recorded, and that of what gates measure: those of --gate, else all of mlx.yaml that say how the model is asked
(model:), judge both versions. What was not measured is said.`,
		Example: `mlx model convert flights@v1 --name flights-int8 -o model.int8 -- python quantise.py
mlx model convert flights@v1 --name small --gate quality -- python distil.py`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref, o.command = args[0], args[1:]
			return modelConvertRun(cmd.Context(), a, o)
		},
		Annotations:       map[string]string{troubleStatus: "125"},
		ValidArgsFunction: a.completeVersions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.name, "name", "", "register the result as the next version of `NAME`")
	flags.StringVarP(&o.out, "out", "o", "", "`PATH` of the file or folder that the command writes; default: NAME")
	flags.StringVarP(&o.why, "message", "m", "", "`DESCRIPTION` of the version")
	flags.StringSliceVar(&o.gates, "gate", nil, "compare by `GATE` of mlx.yaml; repeat it for more")
	completeFlag(cmd, "name", a.completeModels)
	completeFlag(cmd, "gate", a.completeNames("gates"))
	return cmd
}

// check finds mistakes in the flags before anything is read.
func (o *modelConvertOptions) check(a *app) error {
	if o.name == "" {
		return fault.New(fault.Usage, "cannot convert %s: what is the result called?", o.ref).Hint("mlx model convert %s --name NAME -- COMMAND…", shellWord(o.ref))
	}
	if err := registry.CheckName(o.name); err != nil {
		return err
	}
	if len(o.command) == 0 {
		return fault.New(fault.Usage, "cannot convert %s: no command", o.ref).Hint("mlx model convert %s --name %s -- COMMAND…", shellWord(o.ref), shellWord(o.name))
	}
	if o.out == "" {
		o.out = o.name
	}
	if len(o.gates) == 0 {
		return nil
	}
	config, err := a.config()
	if err != nil {
		return err
	}
	for _, name := range o.gates {
		if _, ok := config.Gates.Get(name); !ok {
			return fault.New(fault.NotFound, "cannot compare by %q: mlx.yaml has no such gate", name).Hint("mlx gate -h   # shows how one is written")
		}
	}
	return nil
}

func modelConvertRun(ctx context.Context, a *app, o modelConvertOptions) error {
	if err := o.check(a); err != nil {
		return err
	}
	_, from, err := a.versionNamed(ctx, o.ref)
	if err != nil {
		return err
	}
	result, err := a.convertBy(ctx, o, from)
	if err != nil || a.child != 0 {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	r, err := a.repo()
	if err != nil {
		return err
	}
	rel, err := r.Rel(o.out)
	if err != nil {
		return err
	}
	c, err := a.candidate(ctx, result.View.RunID.Hex()+":"+rel)
	if err != nil {
		return err
	}
	defer c.release()
	c.body.Model, c.body.Message = o.name, strings.TrimSpace(o.why)
	to, _, err := a.register(ctx, c)
	if err != nil {
		return err
	}
	body := convertedBody{Model: to.Model, Version: to.Version, Digest: to.Digest, From: refersTo(from), Run: result.View.RunID,
		BytesBefore: from.Bytes, BytesAfter: to.Bytes}
	if err := a.compareConverted(ctx, o.gates, from, to, &body); err != nil {
		return err
	}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	rec, err := modelConverted.Append(ctx, l, lineage.Entry[convertedBody]{Body: body,
		In: []lineage.Input{{Role: "version", ID: to.Record}, {Role: "from", ID: from.Record}}})
	if err != nil {
		return err
	}
	return a.emitConverted(rec, body)
}

// convertBy runs the command with the model of a version, and reports the run.
func (a *app) convertBy(ctx context.Context, o modelConvertOptions, from *registry.Version) (*run.Result, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	ro := runOptions{outs: []string{o.out}, name: "convert-" + o.name, command: o.command}
	spec, err := ro.spec(a, r)
	if err != nil {
		return nil, err
	}
	if spec.Code, spec.Patch, err = codeOf(ctx, r, spec.Outs); err != nil {
		return nil, err
	}
	_, models, err := a.give(ctx, []string{refModel + ":" + from.Name()})
	if err != nil {
		return nil, err
	}
	defer models.release()
	spec.Used, spec.Env = models.used, append(spec.Env, models.env...)
	result, err := a.executeRun(ctx, spec, live{stdin: os.Stdin, stdout: os.Stderr, stderr: os.Stderr})
	if err != nil {
		return nil, err
	}
	return result, a.ran(context.WithoutCancel(ctx), ro, result)
}
