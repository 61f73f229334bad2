package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

type gateOptions struct {
	names        []string
	subject      string
	against      string
	file         string
	format       string
	outs         []string
	inconclusive string
	fresh        bool
}

// gateHelp lists the measures by family; a test holds that none is missing.
const gateHelp = `Status 0 says that everything passed, 1 that something failed, 3 that it cannot be told, 2 that it could not be judged.
Without a name all gates of mlx.yaml are judged. A gate is written like this:

  gates:
    release:
      for: stage:train
      predictions: work/golden.parquet
      against: flights@production
      checks:
        - {metric: rows, min: 20000}
        - {measure: roc_auc, min: 0.72, margin: 0.01, slices: [origin]}
        - {column: user_age, table: data/users.csv, min: 0, max: 120, nulls: 1%}
        - {command: python fairness.py, severity: warn}

Each check has one subject: a metric that the run recorded, a measure, a column of a table, an expression (expr) that must be true, or
a command. Measures:

  of a table     rows columns schema duplicates null_rows freshness
  of leakage     shared_rows shared_groups shared_days time_overlap available_at
  of classes     accuracy balanced_accuracy precision recall f1 specificity mcc
  of scores      roc_auc pr_auc log_loss brier ece calibration reliability resolution uncertainty
  of numbers     rmse mae median_ae r2 mape smape max_error bias quantile_loss mean
  of rankings    ndcg map mrr precision_at_k recall_at_k
  of fairness    demographic_parity equalized_odds equal_opportunity predictive_parity calibration_by_group
  of robustness  changed, and the measures of classes, scores and numbers, with under:
  of serving     latency_p50 p90 p95 p99 p999 max mean, throughput errors cpu memory gpu gpu_memory cost
  of the model   size scan

mlx show gate:NAME says what each check is, needs and reads. docs/gates.md has all keys, and how CI shows the report.
The answer is recorded. The same gates on the same bytes give the recorded answer again.`

func newGate(a *app) *cobra.Command {
	var o gateOptions
	cmd := &cobra.Command{
		Use:   "gate [GATE…]",
		Short: "Judge a run by the checks of mlx.yaml",
		Long:  gateHelp,
		Example: `mlx gate
mlx gate quality --for @last~1
mlx gate --format github -o gate.md -o gate.xml
mlx show gate:quality`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return gateRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeNames("gates"),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.subject, "for", "", "judge `REF`; default: what the gate is for, else @last")
	flags.StringVar(&o.against, "against", "", "compare with `REF` instead of what the gate says")
	flags.StringVar(&o.file, "file", "", "read the gates from `FILE`, - for stdin, instead of mlx.yaml")
	flags.StringVar(&o.format, "format", "", "print as markdown, html, junit, github, gitlab or azure (`FORM`)")
	flags.StringArrayVarP(&o.outs, "out", "o", nil, "also write `FILE`: .md, .html, .xml (JUnit) or .json; repeat it for more")
	flags.StringVar(&o.inconclusive, "inconclusive", "", "end with the status of pass or fail (`VERDICT`) instead of 3")
	flags.BoolVar(&o.fresh, "fresh", false, "judge again even if nothing has changed")
	completeFlag(cmd, "for", a.completeRefs)
	completeFlag(cmd, "against", a.completeRefs)
	completeFlag(cmd, "format", completeWords(gateForms()...))
	completeFlag(cmd, "inconclusive", completeWords("pass", "fail"))
	return cmd
}

func gateRun(ctx context.Context, a *app, o gateOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	file, config, err := gateConfig(a, o.file)
	if err != nil {
		return err
	}
	specs, err := a.specsOf(ctx, file, config, o.names)
	if err != nil {
		return err
	}
	ledger, err := a.ledger()
	if err != nil {
		return err
	}
	job := gate.Job{Specs: specs, Subject: a.gateSubject(o, config), Version: mlxVersion()}
	if !o.fresh {
		job.Known = func(ctx context.Context, inputs object.Digest) (lineage.Record, bool, error) {
			return gate.Earlier(ctx, ledger, inputs)
		}
	}
	judgement, troubles := job.Judge(ctx)
	if len(troubles) > 0 {
		return a.untold(troubles)
	}
	rec, err := judgement.Keep(ctx, ledger)
	if err != nil {
		return err
	}
	v, err := gate.ViewOf(rec)
	if err != nil {
		return err
	}
	v.Reused, v.Mapped = judgement.Record != nil, mappedVerdict(v.Verdict, o.inconclusive)
	if v.Reused {
		a.streams.Note("nothing has changed since verdict %s; --fresh judges again", rec.ID.Short())
	}
	if err := writeGate(v, o.outs); err != nil {
		return err
	}
	if err := a.stepSummary(v, o.format); err != nil {
		return err
	}
	a.answer(verdictAnswer(v.Verdict, v.Mapped))
	return printGate(v, o.format, a)
}

// untold reports what could not be judged: each trouble on a line of its own, the last one as the command's error.
func (a *app) untold(troubles []error) error {
	last := len(troubles) - 1
	for _, trouble := range troubles[:last] {
		a.streams.Fail(trouble)
	}
	return troubles[last]
}

// check finds mistakes in the flags before anything is read.
func (o gateOptions) check() error {
	if o.format != "" && !slices.Contains(gateForms(), o.format) {
		return fault.New(fault.Usage, "cannot print a gate as %q", o.format).Hint("--format markdown, html, junit, github, gitlab or azure; for JSON: --json")
	}
	if err := checkInconclusive(o.inconclusive); err != nil {
		return err
	}
	for _, out := range o.outs {
		if _, err := gateForm(out); err != nil {
			return err
		}
	}
	return nil
}
