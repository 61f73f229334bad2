package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
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
		Example: `mlx lineage @last
mlx lineage data/flights --down
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
		cfg, err := a.config()
		if err != nil {
			return nil, err
		}
		return pipelineGraph(cfg)
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
	if found.Kind == refGit {
		found.Name = "" // the word that was typed is not the branch
	} else if found.ID.IsZero() {
		return nil, fault.New(fault.Usage, "cannot show the lineage of %s: it has no record", found.short()).Hint("mlx log %s", o.ref)
	}
	b, err := a.grapher(ctx, o)
	if err != nil {
		return nil, err
	}
	return b.build(ctx, found)
}

// pipelineGraph is the graph of the stages of mlx.yaml: what each reads and writes.
func pipelineGraph(cfg *repo.Config) (*graph, error) {
	if cfg.Stages.Len() == 0 {
		return nil, fault.New(fault.NotFound, "cannot show the pipeline: mlx.yaml has no stages").
			Hint("mlx lineage @last   # what the newest run was made from")
	}
	g := newGraph()
	made := make(map[string]string) // output -> stage
	used := make(map[string]bool)
	for name, s := range cfg.Stages.All() {
		for _, out := range s.Outs {
			made[out] = name
		}
		for _, dep := range s.Deps {
			used[dep] = true
		}
	}
	for name, s := range cfg.Stages.All() {
		g.node(node{ID: "stage:" + name, Kind: "stage", Name: name, Text: s.Cmd})
		for _, dep := range s.Deps {
			if from, ok := made[dep]; ok {
				g.edge("stage:"+name, "stage:"+from, dep)
				continue
			}
			g.node(node{ID: "path:" + dep, Kind: "path", Name: dep})
			g.edge("stage:"+name, "path:"+dep, "reads")
		}
	}
	for name, s := range cfg.Stages.All() { // the ends of the pipeline are where its trees begin
		end := true
		for _, out := range s.Outs {
			end = end && !used[out]
		}
		if end {
			g.Roots = append(g.Roots, "stage:"+name)
		}
		g.byID["stage:"+name].Text = strings.TrimSpace(s.Cmd)
	}
	return g, nil
}
