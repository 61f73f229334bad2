package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/pipeline/export"
	"mlx/internal/registry"
	"mlx/internal/repo"
)

type exportOptions struct {
	form     string
	refs     []string
	out      string
	schedule string
	image    string
	secrets  []string
	env      string
}

func newExport(a *app) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export FORM [REF]",
		Short: "Write a run, a model, the pipeline, a stage, a monitor or a service for other tools",
		Long: `FORM of a run: slsa (provenance v1 in an in-toto statement), openlineage (events, one a line), prov (PROV-JSON), csv (a row a
run, of several runs as well). Statements are not signed; mlx model sign signs the bytes of a model.

FORM of a version of a model: card (Markdown; -o FILE.json as JSON), cyclonedx (1.6, a bill of materials with its
model card). The digests of files are those of the bytes, which are read; what is not known is named.

FORM of monitors, of all without REF: prometheus (the text that the textfile collector of node_exporter reads), openmetrics. Their last
answers as metrics; nothing is judged.

FORM of the pipeline, without REF: github, gitlab, argo, airflow. Each stage is a job that runs mlx repro STAGE --only between
mlx pull and mlx push. FORM of stage:NAME, with --schedule, and of monitor:NAME, whose schedule stands in mlx.yaml: crontab,
systemd, github, cronjob.

FORM of service:NAME: systemd. Units that run it for as long as the machine does, and hold its socket while it is restarted. haproxy: the
lines of haproxy.cfg that a service of target haproxy needs. kubernetes: the objects of what is in service, of one of target kubernetes.
terraform: asks mlx tf-data what is in service; without REF of all services, and of an environment with --env.

The same input gives the same bytes. Secrets are named, never written.`,
		Example: `mlx export slsa @last
mlx export csv baseline @last -o runs.csv
mlx export card flights@production -o flights.md
mlx export cyclonedx flights@v1 -o flights.cdx.json
mlx export prometheus monitor:flights-daily -o mlx_drift.prom
mlx export github -o .github/workflows/mlx.yaml
mlx export crontab stage:train --schedule '15 3 * * *'
mlx export crontab monitor:flights-daily
mlx export systemd service:flights -o units
mlx export haproxy service:flights
mlx export terraform --env production -o mlx.tf`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.form, o.refs = args[0], args[1:]
			return exportRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeExport,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.out, "out", "o", "", "write `FILE`; - is stdout, as without it; for systemd a folder")
	flags.StringVar(&o.schedule, "schedule", "", "of a stage or monitor: when, as five `FIELDS` of cron")
	flags.StringVar(&o.image, "image", "", "container `IMAGE` with git, mlx and what the stages need")
	a.takesEnvironment(cmd, &o.env)
	flags.StringSliceVar(&o.secrets, "secret", nil, "`NAME` of a variable that jobs get from the secrets of the target; default: those of the remotes' clouds")
	return cmd
}

// runForms are the forms of a run, pipeline forms and stage forms are those of the package export.
func runForms() []string { return []string{"slsa", "openlineage", "prov", "csv"} }

func exportForms() []string {
	all := slices.Concat(runForms(), modelForms(), metricForms(), export.PipelineForms(), export.TaskForms(), targetForms(), []string{formTerraform})
	slices.Sort(all)
	return slices.Compact(all)
}

// exportView is export/v1.
type exportView struct {
	Kind  string        `json:"kind"`
	Form  string        `json:"form"`
	Of    []fault.Ref   `json:"of"`    // empty for the pipeline
	Files []export.File `json:"files"` // what was written, or would be
	Out   *string       `json:"out"`   // where it was written

	Card *registry.Card `json:"card"` // of a model, whatever form was asked for
}

func exportRun(ctx context.Context, a *app, o exportOptions) error {
	write, err := a.exporter(o)
	if err != nil {
		return err
	}
	v := exportView{Kind: "export/v1", Form: o.form, Of: []fault.Ref{}}
	if err := write(ctx, o, &v); err != nil {
		return err
	}
	if o.out == "" || o.out == "-" {
		return a.streams.Emit(v, func(t *cli.Text) { exportText(v, t) })
	}
	places, err := exportWrite(o.out, v.Files, o.form == "systemd")
	if err != nil {
		return err
	}
	v.Out = &o.out
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) {
		for i, f := range v.Files {
			t.Line(cli.Path(filepath.ToSlash(places[i])), cli.Bytes(int64(len(f.Text))))
		}
	})
}

// exporter finds what writes a form, or says why nothing does.
func (a *app) exporter(o exportOptions) (func(context.Context, exportOptions, *exportView) error, error) {
	if slices.Contains(metricForms(), o.form) {
		if o.schedule != "" || o.image != "" || len(o.secrets) > 0 {
			return nil, fault.New(fault.Usage, "cannot export as %s with --schedule, --image or --secret: it is what monitors found", o.form)
		}
		return a.exportMetrics, nil
	}
	if o.form == formTerraform {
		return a.exportTerraform, nil
	}
	ofModel := slices.Contains(modelForms(), o.form)
	ofRun, ofAll, ofStage := slices.Contains(runForms(), o.form), slices.Contains(export.PipelineForms(), o.form), slices.Contains(export.TaskForms(), o.form)
	if !ofRun && !ofModel && !ofAll && !ofStage && !slices.Contains(targetForms(), o.form) {
		err := fault.New(fault.Usage, "cannot export as %q: there is no such form", o.form)
		if near := fault.Nearest(o.form, exportForms()); near != "" {
			return nil, err.Hint("%s", a.retyped(o.form, near))
		}
		return nil, err.Hint("one of: %s", strings.Join(exportForms(), " "))
	}
	one := len(o.refs) == 1
	switch {
	case one && strings.HasPrefix(o.refs[0], refService+":"):
		return a.exportOfService, nil
	case o.env != "":
		return nil, fault.New(fault.Usage, "cannot export as %s with --env: a service has environments", o.form).Hint("mlx export systemd service:NAME --env %s", shellWord(o.env))
	case ofModel && !one:
		return nil, fault.New(fault.Usage, "cannot export as %s: it needs one version of a model", o.form).Hint("mlx export %s NAME@production", o.form)
	case (ofRun || ofModel) && (o.schedule != "" || o.image != "" || len(o.secrets) > 0):
		return nil, fault.New(fault.Usage, "cannot export a run or a model with --schedule, --image or --secret: these are for pipelines and stages")
	case ofModel:
		return a.exportOfModel, nil
	case ofRun && len(o.refs) == 0:
		return nil, fault.New(fault.Usage, "cannot export as %s: it needs a run", o.form).Hint("mlx export %s @last", o.form)
	case ofRun && o.form != "csv" && !one:
		return nil, fault.New(fault.Usage, "cannot export %d runs as %s: it describes one", len(o.refs), o.form).Hint("mlx export %s %s", o.form, shellWord(o.refs[0]))
	case ofRun:
		return a.exportOfRuns, nil
	case slices.Contains(targetForms(), o.form):
		return nil, fault.New(fault.Usage, "cannot export as %s: it needs one service", o.form).Hint("mlx export %s service:NAME", o.form)
	case len(o.refs) == 0 && ofAll && o.schedule != "":
		return nil, fault.New(fault.Usage, "cannot export the pipeline with --schedule: a stage has one").
			Hint("mlx export %s stage:NAME --schedule %s", o.form, shellWord(o.schedule))
	case len(o.refs) == 0 && ofAll:
		return a.exportOfPipeline, nil
	case !ofStage:
		return nil, fault.New(fault.Usage, "cannot export %s as %s: that is for the whole pipeline", strings.Join(o.refs, " "), o.form).Hint("mlx export %s", o.form)
	case !one:
		return nil, fault.New(fault.Usage, "cannot export as %s: it needs one stage or monitor", o.form).Hint("mlx export %s stage:NAME --schedule '15 3 * * *'", o.form)
	}
	return a.exportOfTask, nil
}

func exportText(v exportView, t *cli.Text) {
	for _, f := range v.Files {
		if len(v.Files) > 1 {
			t.Plain("# " + f.Name + "\n")
		}
		t.Plain(f.Text)
	}
}

// exportWrite writes one file, or into a folder, and returns where.
func exportWrite(out string, files []export.File, folded bool) ([]string, error) {
	places := []string{out}
	if folded || len(files) > 1 {
		places = nil
		for _, f := range files {
			places = append(places, filepath.Join(out, f.Name))
		}
	}
	folder := filepath.Dir(places[0])
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot make %s: %w", folder, err)
	}
	for i, f := range files {
		if err := repo.WriteFile(places[i], []byte(f.Text), 0o666); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot write %s: %w", places[i], err)
		}
	}
	return places, nil
}

// completeExport offers forms, then what a form can be written of.
func (a *app) completeExport(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return exportForms(), cobra.ShellCompDirectiveNoFileComp
	case slices.Contains(runForms(), args[0]) && (len(args) == 1 || args[0] == "csv"):
		all, _ := a.completeRefs(cmd, nil, typed)
		return all, cobra.ShellCompDirectiveNoFileComp
	case slices.Contains(modelForms(), args[0]) && len(args) == 1:
		return a.versionsKnown(cmd.Context(), true), cobra.ShellCompDirectiveNoFileComp
	case slices.Contains(metricForms(), args[0]):
		return a.definedNames(cmd.Context(), "monitor"), cobra.ShellCompDirectiveNoFileComp
	case (args[0] == formTerraform || slices.Contains(targetForms(), args[0])) && len(args) == 1:
		return a.definedNames(cmd.Context(), refService), cobra.ShellCompDirectiveNoFileComp
	case slices.Contains(export.TaskForms(), args[0]) && len(args) == 1:
		all := append(a.definedNames(cmd.Context(), refStage), a.definedNames(cmd.Context(), "monitor")...)
		if slices.Contains(export.ServiceForms(), args[0]) {
			all = append(all, a.definedNames(cmd.Context(), refService)...)
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
