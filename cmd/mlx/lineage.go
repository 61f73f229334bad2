package main

import (
	"context"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
)

type lineageOptions struct {
	ref    string
	down   bool
	depth  int
	format string
}

func newLineage(a *app) *cobra.Command {
	var o lineageOptions
	cmd := &cobra.Command{
		Use:   "lineage [REF]",
		Short: "Show what something was made from; alone, the pipeline",
		Long: `Shows what something was made from, or with --down what was made from it. Without a reference it draws the pipeline: the stages
of mlx.yaml and of every dvc.yaml, and what each reads. Of a version of a model a sentence says what differs from the one that it was
derived from. The stages of one matrix are drawn as one; -v draws each of them.`,
		Example: `mlx lineage @last
mlx lineage data/flights --down
mlx lineage flights@v2
mlx lineage @last --format mermaid
mlx lineage @last --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.ref = args[0]
			}
			return lineageRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeRefs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.down, "down", false, "show what was made from it instead")
	flags.IntVar(&o.depth, "depth", 0, "at most `N` steps away; 0 is all")
	flags.StringVar(&o.format, "format", "", "print as `FORM`: mermaid or dot")
	completeFlag(cmd, "format", completeWords("mermaid", "dot"))
	return cmd
}

func lineageRun(ctx context.Context, a *app, o lineageOptions) error {
	switch {
	case o.format != "" && o.format != "mermaid" && o.format != "dot":
		return fault.New(fault.Usage, "cannot print a lineage as %q", o.format).Hint("--format mermaid or dot; for JSON: --json")
	case o.depth < 0:
		return fault.New(fault.Usage, "cannot go %d steps", o.depth).Hint("--depth 0   # all")
	}
	g, err := a.graphOf(ctx, o)
	if err != nil {
		return err
	}
	return a.streams.Emit(g, func(t *cli.Text) {
		if o.format != "" {
			t.Plain(g.drawn(o.format))
			return
		}
		g.treeText(t)
	})
}

func (a *app) graphOf(ctx context.Context, o lineageOptions) (*graph, error) {
	if o.ref == "" {
		return a.pipelineGraph(ctx)
	}
	found, err := a.resolve(ctx, o.ref)
	if err == nil {
		found, err = a.tracked(ctx, found)
	}
	if err == nil && found.Kind == refPath {
		found, err = a.written(ctx, found)
	}
	if err != nil {
		return nil, err
	}
	if found.Kind == refModel && found.ID.IsZero() { // of a whole model the newest version
		_, v, err := a.modelVersion(ctx, found)
		if err != nil {
			return nil, err
		}
		found = versionTarget(v)
	}
	if found.Kind == refGit {
		found.Name = "" // the word that was typed is not the branch
	} else if found.ID.IsZero() {
		return nil, fault.New(fault.Usage, "cannot show the lineage of %s: it has no record", found.short()).Hint("mlx log %s", o.ref)
	}
	b, err := a.grapher(ctx, o)
	if err != nil {
		return nil, err
	}
	return b.build(lineage.Steady(ctx), found)
}
