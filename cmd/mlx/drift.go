package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/fault"
)

func newDrift(a *app) *cobra.Command {
	return noun("drift", "Compare data in use with what it was", newDriftCheck(a), newDriftList(a))
}

type driftOptions struct {
	monitors []string

	reference, current   string
	columns, ignore      []string
	methods, thresholds  []string
	cluster, time, zone  string
	at                   string
	outs                 []string
	format, inconclusive string
	noAction, fresh      bool
	adHocFlags           []string // those that were typed
	settings             []driftSetting
	now                  time.Time
}

const driftHelp = `Compare the newest data of monitors with their reference, column by column, and say what is no longer as it was. Without a name all
monitors of mlx.yaml are checked; a pattern in quotes chooses some. A monitor is written like this:

  monitors:
    flights-daily:
      current: "data/incoming/{date}.csv"   # a file for each day
      window: 7d                            # the last seven of them
      reference: flights@production         # against the training data of the model in production
      time: time_hour                       # rows of one day belong together
      time_zone: America/New_York
      on_drift: {repro: train, cooldown: 7d}

Two tables that no monitor names are compared with --reference and --current: files, folders, patterns in quotes, REF:PATH, URLs, profiles
that mlx profile kept, and - for stdin.

Status 0: no drift. 1: drift. 3: it cannot be told, for example of too few rows. 2: it could not be judged: a file is missing or broken.

Answers are recorded. A check that is repeated repeats its status and judges nothing again, unless data has changed since: -q prints only
what is news, for cron. Windows that were due since the last check are judged as well, at most 31, with a line each; those without any
data are told in one line. Drift of the newest window starts what on_drift says, once for each finding.`

func newDriftCheck(a *app) *cobra.Command {
	var o driftOptions
	cmd := &cobra.Command{
		Use:   "check [MONITOR…]",
		Short: "Compare current data with its reference",
		Long:  driftHelp,
		Example: `mlx drift check flights-daily
mlx drift check 'flights-*' -q
mlx drift check --reference data/2013-01.csv --current data/2013-07.csv
mlx drift check --reference january.csv --current july.csv --columns temp,dewp --method ks`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.monitors = args
			for _, name := range driftAdHoc() {
				if cmd.Flags().Changed(name) {
					o.adHocFlags = append(o.adHocFlags, name)
				}
			}
			return driftCheckRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeNames("monitors"),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.reference, "reference", "", "compare with `TABLE`: how the data was")
	flags.StringVar(&o.current, "current", "", "compare `TABLE`: how the data is")
	flags.StringSliceVar(&o.columns, "columns", nil, "only the columns of `LIST`: names and patterns, with commas")
	flags.StringSliceVar(&o.ignore, "ignore", nil, "without the columns of `LIST`, such as ids")
	flags.StringSliceVar(&o.methods, "method", nil, "measure by `METHOD` instead of psi: ks, wasserstein, js, hellinger, chi2, tvd or linf; COLUMN=METHOD for one column")
	flags.StringSliceVar(&o.thresholds, "threshold", nil, "effect `X` from which a column has drifted, 0.1 when absent; COLUMN=X for one")
	flags.StringVar(&o.cluster, "cluster", "", "rows with one value of `COLUMN` are not independent: a user, a machine")
	flags.StringVar(&o.time, "time", "", "`COLUMN` of the time of a row: rows of one day are not independent")
	flags.StringVar(&o.zone, "time-zone", "", "`ZONE` in which days begin, such as Europe/Berlin; default: UTC")
	flags.StringVar(&o.at, "at", "", "check as if it were `TIME`: 2026-11-09, 2026-11-09T08:00:00Z")
	flags.BoolVar(&o.noAction, "no-action", false, "start nothing of on_drift")
	flags.StringVar(&o.format, "format", "", "print as `FORM`: "+strings.Join(driftForms(), ", "))
	flags.StringArrayVarP(&o.outs, "out", "o", nil, "also write `FILE`, in the form that its ending says; repeat it for more")
	flags.StringVar(&o.inconclusive, "inconclusive", "", "end with the status of `VERDICT`, pass or fail, instead of 3")
	flags.BoolVar(&o.fresh, "fresh", false, "judge again even if nothing has changed")
	completeFlag(cmd, "reference", a.completeRefs)
	completeFlag(cmd, "current", a.completeRefs)
	completeFlag(cmd, "method", completeWords(driftMethods()...))
	completeFlag(cmd, "format", completeWords(driftForms()...))
	completeFlag(cmd, "inconclusive", completeWords("pass", "fail"))
	return cmd
}

// driftAdHoc are the flags of a comparison that no monitor describes.
func driftAdHoc() []string {
	return []string{"reference", "current", "columns", "ignore", "method", "threshold", "cluster", "time", "time-zone"}
}

// adHoc says whether two tables were named.
func (o driftOptions) adHoc() bool { return o.reference != "" || o.current != "" }

// check finds mistakes in the flags before anything is read.
func (o *driftOptions) check(now func() time.Time) error {
	switch {
	case len(o.monitors) > 0 && len(o.adHocFlags) > 0:
		return fault.New(fault.Usage, "cannot check %s with --%s: mlx.yaml says how a monitor compares", o.monitors[0], o.adHocFlags[0]).
			Hint("mlx show monitor:%s", shellWord(o.monitors[0]))
	case o.adHoc() && (o.reference == "" || o.current == ""), len(o.adHocFlags) > 0 && !o.adHoc():
		return fault.New(fault.Usage, "cannot compare: two tables are needed").Hint("mlx drift check --reference TABLE --current TABLE")
	case o.reference == "-" && o.current == "-":
		return fault.New(fault.Usage, "cannot compare stdin with itself")
	}
	if err := checkInconclusive(o.inconclusive); err != nil {
		return err
	}
	if err := checkDriftForm(o.format); err != nil {
		return err
	}
	for _, out := range o.outs {
		if _, err := driftForm(out); err != nil {
			return err
		}
	}
	if _, err := drift.Zone(o.zone); err != nil {
		return fault.New(fault.Usage, "cannot compare: there is no time zone %q", o.zone).Hint("--time-zone Europe/Berlin")
	}
	o.now = now()
	if o.at != "" {
		at, err := cli.ParseTime(o.at)
		if err != nil {
			return err
		}
		o.now = at
	}
	return o.readSettings()
}

func driftCheckRun(ctx context.Context, a *app, o driftOptions) error {
	if err := o.check(a.now); err != nil {
		return err
	}
	turns, err := a.driftTurns(o)
	if err != nil {
		return err
	}
	var answers []driftTold
	var troubles []error
	for _, t := range turns {
		found, err := t.judge(ctx)
		if err == nil && len(found) > 0 {
			if err := t.act(ctx, &found[len(found)-1]); err != nil { // what windows before the newest found is past
				troubles = append(troubles, t.trouble(err))
			}
		}
		answers = append(answers, found...)
		if err != nil {
			troubles = append(troubles, t.trouble(err))
			if err := t.retireAlone(ctx); err != nil {
				troubles = append(troubles, t.trouble(err))
			}
		}
	}
	if len(o.outs) > 0 || o.format != "" {
		if err := a.recallTrend(ctx, answers); err != nil {
			return err
		}
	}
	if err := a.tellDrift(answers, o); err != nil {
		return err
	}
	if len(troubles) > 0 {
		return a.untold(troubles)
	}
	return nil
}

// tellDrift shows the answers. Under -q those are left out that were told before.
func (a *app) tellDrift(answers []driftTold, o driftOptions) error {
	if len(answers) == 0 {
		return nil
	}
	v := driftViewOf(answers)
	v.Mapped = mappedVerdict(v.Verdict, o.inconclusive)
	if err := v.write(o.outs); err != nil {
		return err
	}
	end := verdictAnswer(v.Verdict, v.Mapped)
	a.answer(end)
	acted := slices.ContainsFunc(answers, func(d driftTold) bool { return anyNew(d.Actions) })
	if a.streams.Quiet { // JSON has all of them
		v.told = slices.DeleteFunc(slices.Clone(answers), func(d driftTold) bool { return !d.New && !anyNew(d.Actions) })
		news := driftViewOf(v.told)
		end = verdictAnswer(news.Verdict, mappedVerdict(news.Verdict, o.inconclusive))
	}
	if err := a.printDrift(v, o.format, end != yes || acted); err != nil {
		return err
	}
	a.hintDays(v.told)
	if d := answers[0]; o.adHoc() && !d.Record.IsZero() {
		a.streams.Hint(fmt.Sprintf("mlx show %s -o report.html", d.Record.Short()), "every column, with both distributions")
	}
	return nil
}

// hintDays says what can be done about too few days.
func (a *app) hintDays(told []driftTold) {
	for _, d := range told {
		r := d.Answer
		if _, untold := d.counts(); !d.New || untold == 0 || r.Grouped != "day" || min(r.Clusters[0], r.Clusters[1]) >= drift.FewestDays {
			continue
		}
		groups := "; or cluster: COLUMN"
		switch {
		case r.Monitor == "":
			a.streams.Hint("--cluster COLUMN", fmt.Sprintf("--time needs at least %d days", drift.FewestDays))
		case r.Clusters[0] < drift.FewestDays:
			a.streams.Hint("reference: TABLE", fmt.Sprintf("of at least %d days%s", drift.FewestDays, groups))
		default:
			a.streams.Hint("window: 7d", fmt.Sprintf("with time: it needs at least %d days%s", drift.FewestDays, groups))
		}
		return
	}
}
