package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/registry"
)

type modelAliasOptions struct {
	ref    string
	alias  string
	remove bool
}

func newModelAlias(a *app) *cobra.Command {
	var o modelAliasOptions
	cmd := &cobra.Command{
		Use:   "alias NAME@vN ALIAS",
		Short: "Point an alias at a version",
		Long: `NAME@ALIAS is a reference from then on; the alias leaves the version that it pointed at. Where two people moved it at the same
time, doing it once more decides.`,
		Example: "mlx model alias flights@v1 champion\nmlx model alias flights@v1 champion --delete",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref, o.alias = args[0], args[1]
			return modelAliasRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeVersions,
	}
	cmd.Flags().BoolVar(&o.remove, "delete", false, "take the alias away")
	return cmd
}

// aliasView is alias/v1.
type aliasView struct {
	Kind    string    `json:"kind"`
	Model   fault.Ref `json:"model"`
	Alias   string    `json:"alias"`
	Deleted bool      `json:"deleted"`
	Changed bool      `json:"changed"`
}

func modelAliasRun(ctx context.Context, a *app, o modelAliasOptions) error {
	if err := registry.CheckAlias(o.alias); err != nil {
		return err
	}
	m, v, err := a.versionNamed(ctx, o.ref)
	if err != nil {
		return err
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	body := registry.Alias{Model: m.Name, Alias: o.alias, Version: v.Version}
	if o.remove {
		if !pointsAt(m, o.alias, v.Version) {
			return a.emitAlias(aliasView{Kind: "alias/v1", Model: refOfVersion(v), Alias: o.alias, Deleted: true})
		}
		body.Version = 0
	}
	changed, err := r.SetAlias(ctx, body)
	if err != nil {
		return err
	}
	return a.emitAlias(aliasView{Kind: "alias/v1", Model: refOfVersion(v), Alias: o.alias, Deleted: o.remove, Changed: changed})
}

// pointsAt reports whether an alias points at a version, be it among others.
func pointsAt(m *registry.Model, alias string, version int) bool {
	return slices.ContainsFunc(m.Aliases, func(p registry.Pointer) bool { return p.Name == alias && slices.Contains(p.Versions, version) })
}

func (a *app) emitAlias(v aliasView) error {
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) {
		switch {
		case !v.Changed && v.Deleted:
			t.Line(cli.Fmt("nothing changed: %s is not called %s", cli.Str(v.Model.Name), cli.Str(v.Alias)))
		case !v.Changed:
			t.Line(cli.Fmt("nothing changed: %s %s", cli.Str(v.Model.Name), cli.Str(v.Alias)))
		case v.Deleted:
			t.Line(cli.Fmt("alias %s taken from %s", cli.Str(v.Alias), cli.Str(v.Model.Name)))
		default:
			t.Line(cli.Fmt("alias %s -> %s", cli.Str(v.Alias), cli.Str(v.Model.Name)))
		}
	})
}

// versionNamed resolves a word that must name one version of a model. A model alone is not enough for what changes a version.
func (a *app) versionNamed(ctx context.Context, word string) (*registry.Model, *registry.Version, error) {
	t, err := a.resolve(ctx, word, refModel)
	if err != nil {
		return nil, nil, err
	}
	if t.ID.IsZero() || t.Inner != "" {
		return nil, nil, fault.New(fault.Usage, "cannot tell which version of %s is meant by %q", t.Name, word).Hint("mlx show model:%s   # lists them", t.Name)
	}
	return a.modelVersion(ctx, t)
}
