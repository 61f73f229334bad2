package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
)

type logOptions struct {
	refs    []string
	kinds   []string
	where   string
	sort    string
	limit   int
	columns []string
	since   string
	raw     bool
	format  string
	hidden  bool
	screen  bool // the limit is the terminal's, not the user's

	terminal bool // a person reads
}

// screenful is how many rows a terminal gets when nothing is said.
const screenful = 20

// logKinds are the values of -k.
func logKinds() []string {
	return []string{"snapshot", "import", "run", "rerun", "gate", "drift", "label", "model", "sign-off", "stage", "image", "deploy", "prediction", "tag", "erase", "key"}
}

func newLog(a *app) *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:   "log [REF…]",
		Short: "List what happened, newest first",
		Long: `With references, what happened to these; - reads them from stdin, one a line. An expression names values of the record,
such as metrics.auc, params.depth, state, path, by or kind; it knows == != < <= > >= and or not ( ) in contains startsWith
endsWith matches and null.`,
		Example: `mlx log
mlx log -k run -w 'params.depth >= 6' -s -metrics.auc --columns id,depth,auc
mlx log data/flights
mlx log monitor:flights-daily
mlx log -k run -w 'metrics.auc > 0.7 and state == "succeeded"' --json
mlx log -k run --format csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.refs, o.terminal = args, a.streams.OutTTY && !a.streams.JSON && o.format == ""
			if !cmd.Flags().Changed("limit") && o.terminal {
				o.limit, o.screen = screenful, true
			}
			return logRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeRefs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringSliceVarP(&o.kinds, "kind", "k", nil, "only `KIND`: "+strings.Join(logKinds(), " "))
	flags.StringVarP(&o.where, "where", "w", "", "only what makes `EXPR` true")
	flags.StringVarP(&o.sort, "sort", "s", "", "sort by `KEY`, such as metrics.auc; -KEY is descending")
	flags.IntVarP(&o.limit, "limit", "n", 0, "at most `N`; 0 is all; default 20 on a terminal")
	flags.StringSliceVar(&o.columns, "columns", nil, "show `COLUMNS`: when kind id what by tags state, parameters, metrics, or paths in the record")
	flags.StringVar(&o.since, "since", "", "only since `TIME`: 7d, 2026-05-01")
	flags.BoolVar(&o.raw, "raw", false, "with --json, print records exactly as they are stored")
	flags.BoolVar(&o.hidden, "hidden", false, "also what is tagged hidden")
	flags.StringVar(&o.format, "format", "", "print as `FORM`: csv or markdown")
	completeFlag(cmd, "kind", completeWords(logKinds()...))
	completeFlag(cmd, "format", completeWords("csv", "markdown"))
	return cmd
}

func logRun(ctx context.Context, a *app, o logOptions) error {
	query, err := o.query(a.now())
	if err != nil {
		return err
	}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	ctx = lineage.Steady(ctx)
	about, err := a.about(ctx, o.refs)
	if err != nil {
		return err
	}
	s := selection{app: a, ledger: l, options: o, query: query, about: about}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if o.raw && !a.streams.JSON {
		return fault.New(fault.Usage, "--raw prints JSON").Hint("mlx log --json --raw")
	}
	columns := o.chosen()
	if s.trend() {
		columns = trendColumns(about.monitors, o.terminal)
	}
	w := o.watched()
	total, err := 0, error(nil)
	if s.simple(columns) {
		total, err = s.printValues(ctx, columns, w)
	} else {
		total, err = s.printEvents(ctx, columns, w)
	}
	if err != nil {
		return err
	}
	w.tell(a)
	if w.rows == 0 && len(o.refs) == 0 {
		s.tellUnknown(ctx)
	}
	if more := total - o.limit; o.screen && about.whole() && more > 0 {
		a.streams.Note("%s more: mlx log -n 0", cli.FormatCount(int64(more)))
	}
	return nil
}

// query is what the flags say to the ledger. The limit is applied later: what is hidden does not count.
func (o logOptions) query(now time.Time) (lineage.Query, error) {
	q := lineage.Query{Nouns: o.kinds, Where: o.where, Sort: o.sort}
	for _, k := range o.kinds {
		if !slices.Contains(logKinds(), k) {
			err := fault.New(fault.Usage, "unknown kind %q", k)
			if near := fault.Nearest(k, logKinds()); near != "" {
				return q, err.Hint("did you mean %q?", near)
			}
			return q, err.Hint("-k is one of %s", strings.Join(logKinds(), " "))
		}
	}
	if o.raw && o.format != "" || o.raw && len(o.columns) > 0 {
		return q, fault.New(fault.Usage, "--raw has a form of its own: it goes with neither --format nor --columns")
	}
	if !slices.Contains([]string{"", "csv", "markdown"}, o.format) {
		return q, fault.New(fault.Usage, "cannot print a log as %q", o.format).Hint("--format csv or markdown; for JSON: --json")
	}
	if o.limit < 0 {
		return q, fault.New(fault.Usage, "cannot show %d rows", o.limit).Hint("-n 0   # all")
	}
	if o.since == "" {
		return q, nil
	}
	if d, err := cli.ParseDuration(o.since); err == nil {
		q.Since = now.Add(-d)
		return q, nil
	}
	var err error
	if q.Since, err = cli.ParseTime(o.since); err != nil {
		return q, fault.New(fault.Usage, "cannot read time %q", o.since).Hint("--since 7d, 2026-05-01 or 2026-05-01T13:00:00Z")
	}
	return q, nil
}
