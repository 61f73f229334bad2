package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/lineage"
)

// completed is how many things of a kind completion offers: what a person can look through.
const completed = 30

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completePaths offers tracked data, then files.
func (a *app) completePaths(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.livePaths(cmd), cobra.ShellCompDirectiveDefault
}

// completeRefs offers what a reference can name: the newest runs, snapshots and verdicts, tags, tracked data; then files.
func (a *app) completeRefs(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if kind, _, qualified := strings.Cut(typed, ":"); qualified && kind == refModel {
		known := a.versionsKnown(cmd.Context(), true)
		for i, word := range known {
			known[i] = refModel + ":" + word
		}
		return known, cobra.ShellCompDirectiveNoFileComp
	} else if qualified {
		return a.definedNames(cmd.Context(), kind), cobra.ShellCompDirectiveNoFileComp
	}
	all := append([]string{"@last\tthe newest run here"}, a.livePaths(cmd)...)
	l, err := a.ledger()
	if err != nil {
		return all, cobra.ShellCompDirectiveDefault
	}
	for t, err := range currentTags(cmd.Context(), l, "") {
		if err == nil && !t.body.Deleted && !t.body.annotates() {
			all = append(all, t.body.Name+"\ttag of "+t.body.Target.Kind+" "+t.body.Target.ID.Short())
		}
	}
	all = append(all, a.versionsKnown(cmd.Context(), true)...)
	tell, err := a.teller(cmd.Context())
	if err != nil {
		return all, cobra.ShellCompDirectiveDefault
	}
	query := lineage.Query{Nouns: []string{"run", "snapshot", "gate"}, Limit: completed}
	for rec, err := range l.Select(cmd.Context(), query) {
		if err != nil {
			break
		}
		if e, err := tell.event(rec); err == nil && strings.HasPrefix(e.id.Hex(), typed) {
			all = append(all, e.id.Short()+"\t"+e.noun+" "+e.text)
		}
	}
	for v, err := range a.history(l).Views(cmd.Context(), lineage.Query{Where: "name != null", Limit: completed}) {
		if err == nil && v.Name != nil {
			all = append(all, *v.Name+"\tthe newest run of this name")
		}
	}
	return all, cobra.ShellCompDirectiveDefault
}

// definedNames is KIND:NAME for all that mlx.yaml defines of a kind; of stages also what dvc.yaml defines, and each of a matrix.
func (a *app) definedNames(ctx context.Context, kind string) []string {
	var names []string
	if kind == refStage {
		names = a.stageNames(ctx)
	} else if kind == refBackend {
		names, _ = a.backendNames() // without a mlx.yaml that can be read nothing is offered
	} else if cfg, err := a.config(); err == nil {
		names = referable(cfg, kind+"s")
	}
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = kind + ":" + name
	}
	return all
}

// stageNames lists every stage; none where the pipeline cannot be read.
func (a *app) stageNames(ctx context.Context) []string {
	p, err := a.readPipeline(ctx)
	if err != nil {
		return nil
	}
	names := make([]string, len(p.Steps))
	for i := range p.Steps {
		names[i] = p.Steps[i].Name
	}
	return names
}

// completeWords offers a fixed list.
func completeWords(words ...string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeNames offers the names that a section of mlx.yaml defines.
func (a *app) completeNames(section string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cfg, err := a.config()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return configNames(cfg, section), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag attaches a completion to a flag of cmd; the flag must exist.
func completeFlag(cmd *cobra.Command, flag string, c completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, c); err != nil {
		cmd.PrintErrln(err) // a misspelt flag: seen at once by whoever wrote it
	}
}

func (a *app) livePaths(cmd *cobra.Command) []string {
	r, err := a.repo()
	if err != nil {
		return nil
	}
	paths, err := r.Pointers(cmd.Context())
	if err != nil {
		return nil
	}
	shown := make([]string, len(paths))
	for i, p := range paths {
		shown[i] = filepath.ToSlash(a.shown(p)) + "\ttracked data"
	}
	return shown
}
