package main

import (
	"context"

	"github.com/spf13/cobra"

	"mlx/internal/repo"
)

// newHook is what git hooks call. It never fails: git has done its work by then, and a status other than 0 would make
// git's own command fail.
func newHook(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "hook NAME [ARGS…]",
		Short:  "Restore data after git has changed the work tree; called by git",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "post-checkout" && len(args) == 4 && args[3] == "0" {
				return nil // git checkout of single files
			}
			if err := hookRun(cmd.Context(), a); err != nil {
				a.streams.Fail(err)
			}
			return nil
		},
	}
}

func hookRun(ctx context.Context, a *app) error {
	dir, err := a.cwd()
	if err != nil {
		return err
	}
	projects, err := repo.Projects(ctx, dir)
	if err != nil {
		return err
	}
	var troubles []error
	for _, r := range projects {
		if err := checkoutRun(ctx, a.in(r), checkoutOptions{}); err != nil {
			troubles = append(troubles, err)
		}
	}
	if len(troubles) == 0 {
		return nil
	}
	return a.untold(troubles)
}

// in is the same process working in another project.
func (a *app) in(r *repo.Repo) *app {
	b := newApp(a.args, a.streams)
	b.repo = func() (*repo.Repo, error) { return r, nil }
	return b
}
