package main

import (
	"context"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/registry"
)

type modelRetireOptions struct {
	ref string
	why string
	yes bool
}

func newModelRetire(a *app) *cobra.Command {
	var o modelRetireOptions
	cmd := &cobra.Command{
		Use:   "retire NAME@vN",
		Short: "Archive a version and ask services to leave it",
		Long: `The version leaves its stage and is archived, and every record from then on says that nobody should serve it. Its bytes and its
history stay, and a later promote takes it back. On a terminal it asks first.`,
		Example: `mlx model retire flights@v1 -m "wrong labels in March" -y`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return modelRetireRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeVersions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.why, "message", "m", "", "`REASON`, which is recorded")
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

// moveView is what became of a move that needs no judgement.
type moveView struct {
	Kind    string    `json:"kind"` // retired/v1
	Model   fault.Ref `json:"model"`
	From    *string   `json:"from"`
	Why     *string   `json:"why"`
	Record  *string   `json:"record"`
	Changed bool      `json:"changed"`
}

func modelRetireRun(ctx context.Context, a *app, o modelRetireOptions) error {
	command := "mlx model retire " + shellWord(o.ref)
	if o.why == "" {
		return fault.New(fault.Usage, "cannot retire without a reason").Hint("%s -m REASON", command)
	}
	if err := a.mayAsk("retire "+o.ref, o.yes, command+" -m "+shellWord(o.why)+" -y"); err != nil {
		return err
	}
	_, v, err := a.versionNamed(ctx, o.ref)
	if err != nil {
		return err
	}
	view := moveView{Kind: "retired/v1", Model: refOfVersion(v), From: some(string(v.Stage)), Why: &o.why}
	if v.Retired && v.Stage == registry.Archived {
		return a.emitRetired(view)
	}
	if !o.yes {
		err := a.ask(ctx, "retire it?", func(t *cli.Text) {
			t.Line(cli.Str("would retire"), cli.Str(v.Name()), cli.Str(string(v.Stage)), cli.Quoted(o.why))
		})
		if err != nil {
			return err
		}
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	rec, err := r.Move(ctx, registry.Step{Version: v, To: registry.Archived, Why: o.why, Retired: true})
	if err != nil {
		return err
	}
	view.Record, view.Changed = some(rec.ID.Hex()), true
	return a.emitRetired(view)
}

func (a *app) emitRetired(v moveView) error {
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) {
		if !v.Changed {
			t.Line(cli.Fmt("nothing changed: %s is retired", cli.Str(v.Model.Name)))
			return
		}
		t.Line(cli.Fmt("retired %s", cli.Str(v.Model.Name)), cli.Fmt("was %s", cli.Str(*v.From)), cli.Quoted(*v.Why))
	})
}
