package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/run"
)

type showOptions struct {
	ref    string
	outs   []string
	format string
	rows   int

	columns []string
	at      string
	then    time.Time // at as a time; zero: now
}

func newShow(a *app) *cobra.Command {
	var o showOptions
	cmd := &cobra.Command{
		Use:   "show REF",
		Short: "Show anything: run, model, snapshot, file, verdict, tag, record, gate, remote",
		Long: `REF is a digest or at least four digits of one, @last, the name of a run, a tag, a git revision or a path; REF:PATH is a
file or folder inside it; NAME is a model with its versions, NAME@v3, NAME@production or NAME@ALIAS one of them, with --at as it
was then; gate:NAME, monitor:NAME, service:NAME and mlx.yaml show what mlx.yaml says, remote:NAME what this clone last saw of a remote, backend:NAME what runs there get; prediction:ID is
an answer of a service, by the X-Request-Id that its client got, with all that made it. An answer
of drift and a monitor have reports with distributions side by side: -o report.html.`,
		Example: `mlx show @last
mlx show @last --columns loss
mlx show @last -o report.html -o curves.svg
mlx show data/flights
mlx show data/flights:2013-01.csv --rows 3
mlx show flights@production --at 2026-05-01
mlx show gate:quality
mlx show monitor:flights-daily
mlx show remote:team
mlx show backend:gpu
mlx show prediction:a-7
mlx show mlx.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return showRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeRefs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&o.rows, "rows", 0, "of a table, print the first `N` rows; of another file, also its first lines")
	flags.StringVar(&o.format, "format", "", "print as `FORM`: a verdict or an answer of drift as markdown, junit or github, a run as csv (its series), html or markdown")
	flags.StringArrayVarP(&o.outs, "out", "o", nil, "also write `FILE`: of a verdict or an answer of drift .md, .html, .xml or .json, of a run .html, .svg, .csv, .md or .json")
	flags.StringVar(&o.at, "at", "", "of a model, what was known and who was where at this `TIME`: 2026-05-01, or RFC 3339")
	flags.StringSliceVar(&o.columns, "columns", nil, "of a run, draw only the series `NAME[,NAME]`")
	return cmd
}

func showRun(ctx context.Context, a *app, o showOptions) error {
	if _, err := os.Lstat(repo.ConfigName); o.ref == repo.ConfigName && err == nil {
		return a.showConfig()
	}
	if word, ok := strings.CutPrefix(o.ref, refPrediction+":"); ok {
		return a.showPrediction(ctx, word, o)
	}
	if o.at != "" {
		return a.showThen(ctx, o)
	}
	if o.rows > 0 {
		if shown, err := a.showTable(ctx, o); shown || err != nil {
			return err
		}
	}
	found, err := a.resolve(ctx, o.ref)
	if err != nil {
		return err
	}
	if found.Kind == refRun && found.Inner == "" {
		return a.showOneRun(ctx, found, o)
	}
	if len(o.columns) > 0 {
		return fault.New(fault.Usage, "cannot draw %s: only a run has series", found.short()).Hint("mlx show %s", o.ref)
	}
	if shown, err := a.showDrift(ctx, found, o); shown || err != nil {
		return err
	}
	if found.Kind != refGate && (o.format != "" || len(o.outs) > 0) {
		return fault.New(fault.Usage, "cannot print %s as a report: only a run, a verdict and an answer of drift have one", found.short()).Hint("mlx show %s", o.ref)
	}
	if found.Inner != "" {
		return a.showInside(ctx, found, o.rows)
	}
	switch found.Kind {
	case refSnapshot:
		return a.showSnapshot(ctx, found)
	case refGate:
		return a.showVerdict(found, o)
	case refModel:
		return a.showModel(ctx, found, o)
	case refGit:
		return a.showCommit(ctx, found)
	case refPath:
		return a.showPath(ctx, found, o.rows)
	case refConfig:
		return a.showNamed(ctx, found)
	}
	if run.Rejudged.Is(found.Record) {
		return a.showRerun(ctx, found)
	}
	if registry.Signed.Is(found.Record) {
		return a.showSignOff(ctx, found.Record)
	}
	return a.showRecord(ctx, found)
}

// showNamed shows what mlx.yaml defines.
func (a *app) showNamed(ctx context.Context, t target) error {
	switch t.Section {
	case "remotes":
		return a.showRemote(t.Name)
	case "backends":
		return a.showBackend(ctx, t.Name)
	case "gates":
		return a.showGate(ctx, t)
	}
	return a.showDefined(t)
}

// showPath shows tracked data as its snapshot, and any other file as what it is.
func (a *app) showPath(ctx context.Context, t target, rows int) error {
	inner, err := a.tracked(ctx, t)
	if err != nil {
		return err
	}
	if inner.Kind != refSnapshot {
		return a.showFile(ctx, t, rows)
	}
	if inner.Inner != "" {
		return a.showInside(ctx, inner, rows)
	}
	return a.showSnapshot(ctx, inner)
}

func (a *app) showVerdict(t target, o showOptions) error {
	v, err := gate.ViewOf(t.Record)
	if err != nil {
		return err
	}
	g := gateOptions{format: o.format, outs: o.outs}
	if err := g.check(); err != nil {
		return err
	}
	if err := writeGate(v, o.outs); err != nil {
		return err
	}
	if o.format != "" {
		text, err := renderGate(v, o.format)
		if err != nil {
			return err
		}
		return a.streams.Emit(v, func(t *cli.Text) { t.Plain(string(text)) })
	}
	return a.streams.Emit(v, func(t *cli.Text) {
		t.Heading(cli.Fmt("verdict %s", cli.ID(v.Record)), cli.Time(v.At))
		gateText(v, t, true)
	})
}
