package main

import (
	"context"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/source"
)

type importOptions struct {
	words  []string
	update bool
	query  string
	from   string

	artifacts []string // folders that the files of a history may be in
}

func newImport(a *app) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import SOURCE [PATH]",
		Short: "Bring in data or history from elsewhere, pinned",
		Long: `Brings the bytes of SOURCE to PATH, saves them as a version and records where they came from. SOURCE is a URL of http, https,
file, s3, gs or azblob; a file or folder; dvc:REPO[:PATH] for what dvc tracks in a folder or git repository, all of it
without PATH; with --from REV:PATH of another repository of mlx; with --query a database (postgres://…), or exec:COMMAND,
which gets the query as $MLX_QUERY and on stdin and prints the data.

--update reads again what was imported, where size, time or tag of a file say that it changed, and makes a new version if
the bytes differ. Each source must have been imported here once: nobody else's record contacts it for you. Passwords and
signatures in a URL are used and never recorded. Data at PATH that is in no snapshot is never overwritten.

mlflow:PATH brings the history of MLflow: runs with parameters, every value of their metrics, tags, datasets and artifacts, and
registered models with versions, stages and aliases. PATH is a folder mlruns, a database mlflow.db, or a folder with one of
them. wandb:PATH does it for the folders of W&B, and for runs exported as CSV or JSON. dvc:REPO also brings its experiments
and what its commits measured. What came before is not brought twice, and what cannot be brought is listed.`,
		Example: `mlx import ../exports/flights.csv data/flights.csv
mlx import --update
mlx import --update data/flights.csv
mlx import dvc:../old:data/weather data/weather
mlx import --from ../other main:data/planes data/planes
mlx import 'exec:python report.py' data/report.csv --query "SELECT count(*) FROM flights"
mlx import mlflow:../old/mlruns
mlx import mlflow:../old/mlruns --artifacts ../bucket
mlx import wandb:../old/wandb`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.words = args
			if err := o.check(); err != nil {
				return err
			}
			if _, _, ok := historyOf(o.words0()); ok {
				return importHistoryRun(cmd.Context(), a, o)
			}
			return importRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.update, "update", false, "read again what was imported, all of it or the paths named, where it changed")
	flags.StringVar(&o.query, "query", "", "keep the result of `SQL`")
	flags.StringVar(&o.from, "from", "", "read another repository of mlx; SOURCE is then REV:PATH in `REPO`")
	flags.StringArrayVar(&o.artifacts, "artifacts", nil, "look for the files of a history in `FOLDER` too")
	return cmd
}

// check finds mistakes in the words before anything is opened.
func (o importOptions) check() error {
	switch {
	case o.update && (o.query != "" || o.from != ""):
		return fault.New(fault.Usage, "cannot update with another query or repository: --update takes what was recorded").
			Hint("mlx import SOURCE PATH   # imports from somewhere else")
	case o.update:
		return nil
	case len(o.words) == 0 || len(o.words) > 2:
		return fault.New(fault.Usage, "cannot import: it takes a source and perhaps a path, not %s", cli.FormatNum(int64(len(o.words)), "word")).
			Hint("mlx import SOURCE [PATH]").Hint("mlx import --update [PATH…]")
	}
	return o.checkHistory()
}

func (o importOptions) words0() string {
	if o.update || len(o.words) == 0 {
		return ""
	}
	return o.words[0]
}

func importRun(ctx context.Context, a *app, o importOptions) error {
	i, err := a.importer()
	if err != nil {
		return err
	}
	defer i.close()
	jobs, troubles, err := i.jobs(ctx, o)
	if err != nil {
		return err
	}
	var all []imported
	for _, job := range jobs {
		done, err := i.run(ctx, job)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			troubles = append(troubles, err)
			continue
		}
		all = append(all, done)
	}
	past, err := a.dvcHistory(ctx, o)
	if err != nil {
		troubles = append(troubles, err)
	}
	if len(troubles) > 0 && (a.streams.JSON || len(all) == 0) {
		return a.untold(troubles) // with --json stdout is one whole document or empty
	}
	if err := a.emitImported(ctx, i.repo, all, past); err != nil || len(troubles) == 0 {
		return err
	}
	return a.untold(troubles)
}

// importJob is one path and where its bytes come from.
type importJob struct {
	source source.Source
	query  string
	path   string // from the root of the repository
	again  *importBody
}

// jobs lists what the words ask for. What is known beforehand to be out of reach is told at the end.
func (i *importer) jobs(ctx context.Context, o importOptions) ([]importJob, []error, error) {
	if o.update {
		jobs, err := i.updates(ctx, o.words)
		return jobs, nil, err
	}
	dir, err := i.app.cwd()
	if err != nil {
		return nil, nil, err
	}
	var src source.Source
	if o.from != "" {
		src, err = source.FromRepo(o.from, o.words[0], dir)
	} else {
		src, err = source.Parse(o.words[0], dir)
	}
	if err != nil {
		return nil, nil, err
	}
	word := ""
	if len(o.words) == 2 {
		word = o.words[1]
	}
	if src.Whole() {
		return i.whole(ctx, src, word)
	}
	rel, err := i.destination(src, word)
	if err != nil {
		return nil, nil, err
	}
	return []importJob{{source: src, query: o.query, path: rel}}, nil, i.approve(src, o.query)
}

// destination is the path that a word names: a folder that ends in a slash gets the name of the source in it.
func (i *importer) destination(src source.Source, word string) (string, error) {
	if word == "" || strings.HasSuffix(word, "/") {
		name := src.Name()
		if name == "" {
			return "", fault.New(fault.Usage, "cannot import %s: it has no name of its own, so PATH is needed", src.Shown).Hint("mlx import SOURCE PATH")
		}
		word += name
	}
	return i.repo.Rel(strings.TrimSuffix(word, repo.PointerExt))
}

// whole imports everything that a dvc repository tracks, each at its own path below the word.
func (i *importer) whole(ctx context.Context, src source.Source, word string) ([]importJob, []error, error) {
	top, err := i.repo.Rel(path.Join(word, "."))
	if err != nil {
		return nil, nil, err
	}
	paths, troubles, err := i.fetch.Outs(ctx, src)
	if err != nil {
		return nil, nil, err
	}
	if len(paths)+len(troubles) == 0 {
		return nil, nil, fault.New(fault.NotFound, "cannot import %s: dvc tracks nothing there", src.Shown)
	}
	var jobs []importJob
	for _, p := range paths {
		one := src.At(p)
		jobs = append(jobs, importJob{source: one, path: path.Join(top, p)})
		if err := i.approve(one, ""); err != nil {
			return nil, nil, err
		}
	}
	return jobs, troubles, nil
}
