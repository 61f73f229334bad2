package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

type diffOptions struct {
	refs   []string
	paths  []string // as typed, then from the root of the project
	format string
	outs   []string
	text   bool // the difference of code itself

	rows      bool // of tables
	keys      []string
	tolerance []string
}

func newDiff(a *app) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff [A [B…]] [-- PATH…]",
		Short: "Compare data, runs, models, snapshots, git revisions or environments",
		Long: `Without references the files here are compared with their last snapshots, with one the data here with that of A (a run with
the newest run), with two or more these with each other. Two runs are compared in parameters, metrics, data, code (with
changes that were never committed), environment and machine, two versions of models as the runs that made them, and in size and
format; -v or -- PATH also prints the difference of the code. Of more
than two runs the parameters and metrics that differ are shown; - reads references from stdin, and a quoted pattern such as
'run:sweep-*' names every run that fits. Status 0 says that they are the same, 1 that they differ.

Of env:A and env:B of mlx.yaml it tells which settings of the services differ, and what is in service in each. They are the same when only
values differ that mlx.yaml declares: the same releases are in service.

With --rows A and B are tables, in any format: files, folders, quoted patterns, REF:PATH, URLs, or two references and one
-- PATH. Rows are joined by the columns of --key, and rows added and removed, cells changed and changes of the schema are
told; -o FILE.csv gets every difference. Without a key whole rows are compared, in whatever order they stand.`,
		Example: `mlx diff
mlx diff @last~1 @last
mlx diff @last~1 @last -- train.py
mlx diff @last~1 @last -o curves.svg
mlx diff HEAD~1 HEAD -- data/flights
mlx diff HEAD
mlx diff flights@v1 flights@production
mlx diff 'run:sweep-*' -o sweep.csv
mlx diff env:staging env:production
mlx diff old.csv new.csv --rows --key id
mlx diff HEAD~1 HEAD --rows --key id -o rows.csv -- data/flights`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.refs = args
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				o.refs, o.paths = args[:n], args[n:]
			}
			o.text = a.streams.Verbose || len(o.paths) > 0
			return diffRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeRefs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.format, "format", "", "of runs, print as `FORM`: csv, markdown or html")
	flags.StringArrayVarP(&o.outs, "out", "o", nil, "of runs, also write `FILE`: .csv, .md, .html, .json, or .svg with their series drawn over each other")
	flags.BoolVar(&o.rows, "rows", false, "compare the rows of two tables")
	flags.StringSliceVar(&o.keys, "key", nil, "with --rows: join rows by these columns, `COL[,COL]`; default: the key of mlx.yaml, else whole rows")
	flags.StringArrayVar(&o.tolerance, "tolerance", nil, "with --rows: `LIMIT` or COLUMN=LIMIT, as 1e-9 or 0.1%, up to which floats count as equal")
	completeFlag(cmd, "format", completeWords(sheetForms()...))
	return cmd
}

func diffRun(ctx context.Context, a *app, o diffOptions) error {
	if err := o.checkForms(); err != nil {
		return err
	}
	var err error
	if o.paths, err = a.projectPaths(o.paths); err != nil {
		return err
	}
	if o.rows {
		return a.diffRows(ctx, o)
	}
	if len(o.keys)+len(o.tolerance) > 0 {
		return fault.New(fault.Usage, "--key and --tolerance are for the rows of tables").Hint("mlx diff A B --rows --key COLUMN")
	}
	if o.refs, err = a.spelledRuns(ctx, o.refs); err != nil {
		return err
	}
	found, err := a.resolveAll(ctx, o.refs)
	if err != nil {
		return err
	}
	if ofEnvironments(found) {
		return a.diffEnvironments(ctx, found, o)
	}
	if found, err = a.makersOf(ctx, found); err != nil {
		return err
	}
	runs := runsAmong(found)
	switch {
	case runs > 0 && len(found) == 1:
		last, err := a.resolve(ctx, "@last")
		if err != nil {
			return err
		}
		if last.ID == found[0].ID {
			return fault.New(fault.Usage, "cannot compare: %s is the newest run itself", o.refs[0]).Hint("mlx diff @last~1 @last")
		}
		found = append(found, last)
	case runs > 0 && runs < len(found) && len(found) > 2:
		return fault.New(fault.Usage, "cannot compare: of more than two things all must be runs").Hint("mlx diff A B")
	}
	if err := a.drawDiff(ctx, found, o.drawings()); err != nil {
		return err
	}
	switch {
	case runs > 0 && runs >= len(o.refs) && len(found) == 2:
		return a.diffRuns(ctx, found[0], found[1], o)
	case len(found) > 2 && runs == len(found):
		return a.diffManyRuns(ctx, found, o)
	case len(found) > 2:
		return fault.New(fault.Usage, "cannot compare more than two versions of data").Hint("mlx diff A B")
	}
	if o.format != "" || len(o.outs) > 0 {
		return fault.New(fault.Usage, "cannot write a comparison of data as a table: only runs have one").Hint("mlx diff --json")
	}
	return a.diffData(ctx, found, o.paths)
}

// runsAmong is how many of some things are runs.
func runsAmong(found []target) (runs int) {
	for _, t := range found {
		if t.Kind == refRun {
			runs++
		}
	}
	return runs
}

// projectPaths turns paths as typed into paths from the root of the repository.
func (a *app) projectPaths(typed []string) ([]string, error) {
	if len(typed) == 0 {
		return nil, nil // files outside a project have rows as well
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	all := make([]string, 0, len(typed))
	for _, p := range typed {
		rel, err := r.Rel(p)
		if err != nil {
			return nil, err
		}
		all = append(all, rel)
	}
	return all, nil
}

// emitDiff prints a comparison and answers with it.
func (a *app) emitDiff(v any, equal bool, text func(*cli.Text)) error {
	if !equal {
		a.answer(no)
	}
	return a.streams.EmitVerdict(v, !equal, text)
}

// touched reports whether a path is one of those asked for, or below one, or above one.
func touched(p string, paths []string) bool {
	return len(paths) == 0 || slices.ContainsFunc(paths, func(want string) bool { return within(p, want) || within(want, p) })
}
