package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/repo"
)

// initView is the JSON of `mlx init`.
type initView struct {
	Kind    string   `json:"kind"`
	Root    string   `json:"root"`
	Home    string   `json:"home"`
	Ledger  string   `json:"ledger"`
	Changed bool     `json:"changed"`
	Hooks   []string `json:"hooks"`
	fresh   bool     // more than hooks
}

func newInit(a *app) *cobra.Command {
	var o repo.InitOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set up mlx in this folder",
		Long: `Writes mlx.yaml, which is committed, and makes store and ledger in git's own folder, where git status does not see them and
git clean does not reach. All worktrees share them. A folder with a mlx.yaml of its own, below another, is a project of
its own: it shares the store and keeps its own ledger.`,
		Example: "mlx init\nmlx init --hooks\nmlx init --no-git",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return initRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.NoGit, "no-git", false, "work without git: keep everything in .mlx")
	flags.BoolVar(&o.Hooks, "hooks", false, "install git hooks: git checkout, merge and rebase then restore the data as well")
	return cmd
}

func initRun(ctx context.Context, a *app, o repo.InitOptions) error {
	dir, err := a.cwd()
	if err != nil {
		return err
	}
	r, made, err := repo.Init(ctx, dir, o)
	if err != nil {
		return err
	}
	config, err := r.Config()
	if err != nil {
		return err
	}
	v := initView{Kind: "init/v1", Root: r.Root, Home: r.Home, Ledger: config.Ledger, Changed: made.Config || made.Home || len(made.Hooks) > 0,
		Hooks: append([]string{}, made.Hooks...), fresh: made.Config || made.Home}
	if err := a.streams.EmitVerdict(v, false, func(t *cli.Text) { initText(v, t) }); err != nil {
		return err
	}
	if v.fresh {
		a.streams.Hint("mlx snapshot PATH", "")
	}
	return nil
}

func initText(v initView, t *cli.Text) {
	home := v.Home
	if short, err := filepath.Rel(v.Root, v.Home); err == nil && len(short) < len(home) {
		home = short
	}
	what := cli.Fmt("mlx.yaml, store and ledger in %s", cli.Path(home))
	switch {
	case v.fresh:
		t.Line(cli.Str("initialized"), what)
	case !v.Changed:
		t.Line(cli.Str("nothing changed"), what)
	}
	if len(v.Hooks) > 0 {
		t.Line(cli.Str("hooks"), cli.Str(strings.Join(v.Hooks, ", ")))
	}
}
