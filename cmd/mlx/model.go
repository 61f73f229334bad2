package main

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/registry"
)

func newModel(a *app) *cobra.Command {
	return noun("model", "Register, name, judge and retire versions of models", newModelList(a), newModelRegister(a), newModelAlias(a), newModelScan(a), newModelSign(a), newModelRetire(a), newModelPackage(a), newModelConvert(a))
}

type modelListOptions struct {
	stage string
}

func newModelList(a *app) *cobra.Command {
	var o modelListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List models with version, stage and alias",
		Long: `Of each model the newest version, those in staging and production, and those with an alias. With --stage every version that
is in this stage.`,
		Example: "mlx model list\nmlx model list --stage production --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return modelListRun(cmd.Context(), a, o)
		},
	}
	cmd.Flags().StringVar(&o.stage, "stage", "", "only what is in `STAGE`: experimenting, staging, production or archived")
	completeFlag(cmd, "stage", completeWords(stageWords()...))
	return cmd
}

// stageWords are the stages as they are typed.
func stageWords() []string {
	var words []string
	for _, s := range registry.Stages() {
		words = append(words, string(s))
	}
	return words
}

// readStage reads a stage of the command line.
func readStage(word string) (registry.Stage, error) {
	if slices.Contains(stageWords(), word) {
		return registry.Stage(word), nil
	}
	err := fault.New(fault.Usage, "unknown stage %q", word)
	if near := fault.Nearest(word, stageWords()); near != "" {
		return "", err.Hint("did you mean %q?", near)
	}
	return "", err.Hint("a stage is one of %s", strings.Join(stageWords(), " "))
}

func modelListRun(ctx context.Context, a *app, o modelListOptions) error {
	if o.stage != "" {
		if _, err := readStage(o.stage); err != nil {
			return err
		}
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	models, err := r.Models(ctx)
	if err != nil {
		return err
	}
	if len(models) == 0 {
		a.streams.Hint("mlx model register NAME REF", "no model is registered")
	}
	header := []string{"NAME", "VERSION", "STAGE", "ALIASES", "WHEN", "SIZE", "FORMAT", "DIGEST"}
	return a.streams.List(header, modelRows(models, o.stage))
}

func modelRows(models []*registry.Model, stage string) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		for _, m := range models {
			latest := m.Latest()
			for _, v := range slices.Backward(m.Live()) {
				listed := v == latest || v.Stage == registry.Staging || v.Stage == registry.Production || len(v.Aliases) > 0
				if stage != "" {
					listed = string(v.Stage) == stage
				}
				if !listed {
					continue
				}
				if !yield(cli.Item{Value: viewOfVersion(v), Cells: versionCells(v, true)}, nil) {
					return
				}
			}
		}
	}
}

// versionCells is a version as a row of a table.
func versionCells(v *registry.Version, named bool) []cli.Cell {
	stage := stageOfVersion(v)
	size := cli.None()
	if v.Bytes > 0 {
		size = cli.Bytes(v.Bytes)
	}
	cells := []cli.Cell{cli.Str("v" + numberWord(v.Version)), stage, orNone(strings.Join(v.Aliases, " ")), cli.Time(v.At), size,
		orNone(v.Format), versionDigest(v)}
	if named {
		cells = slices.Insert(cells, 0, cli.Str(v.Model))
	}
	return cells
}

func orNone(s string) cli.Cell {
	if s == "" {
		return cli.None()
	}
	return cli.Str(s)
}

func versionDigest(v *registry.Version) cli.Cell {
	if v.Digest.IsZero() {
		return cli.None()
	}
	return cli.ID(v.Digest)
}

// stageOfVersion is the stage of a version, and whether it was retired.
func stageOfVersion(v *registry.Version) cli.Cell {
	switch {
	case v.Stage == registry.Production:
		return cli.Word(cli.RolePass, string(v.Stage))
	case v.Stage == registry.Staging:
		return cli.Word(cli.RoleBold, string(v.Stage))
	case v.Retired:
		return cli.Word(cli.RoleDim, "retired")
	}
	return cli.Str(string(v.Stage))
}

// completeVersions offers versions of models, then models.
func (a *app) completeVersions(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.versionsKnown(cmd.Context(), false), cobra.ShellCompDirectiveNoFileComp
}

// versionsKnown lists models, their newest versions, stages and aliases, as they are typed.
func (a *app) versionsKnown(ctx context.Context, pointers bool) []string {
	r, err := a.registry()
	if err != nil {
		return nil
	}
	models, err := r.Models(ctx)
	if err != nil {
		return nil
	}
	var all []string
	for _, m := range models {
		if pointers {
			all = append(all, m.Name+"\tmodel")
			for _, p := range slices.Concat(m.Held, m.Aliases) {
				if len(p.Versions) > 0 {
					all = append(all, m.Name+"@"+p.Name+"\tv"+numberWord(p.Versions[0]))
				}
			}
		}
		live := m.Live()
		for _, v := range slices.Backward(live[max(0, len(live)-completed):]) {
			all = append(all, v.Name()+"\t"+string(v.Stage))
		}
	}
	return all
}
