package main

import (
	"context"
	"fmt"
	"iter"
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
}

// screenful is how many rows a terminal gets when nothing is said.
const screenful = 20

// logKinds are the values of -k.
func logKinds() []string {
	return []string{"snapshot", "import", "run", "rerun", "gate", "drift", "label", "model", "sign-off", "stage", "deploy", "tag", "erase", "key"}
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
mlx log -k run -w 'metrics.auc > 0.7 and state == "succeeded"' --json
mlx log -k run --format csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.refs = args
			if !cmd.Flags().Changed("limit") && a.streams.OutTTY && !a.streams.JSON && o.format == "" {
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
	about, err := a.about(ctx, o.refs)
	if err != nil {
		return err
	}
	tell, err := a.teller(ctx)
	if err != nil {
		return err
	}
	w := o.watched()
	events := w.watch(o.choose(tell, o.records(ctx, l, query, about, tell), about))
	if err := o.print(a, events); err != nil {
		return err
	}
	w.tell(a)
	if o.screen {
		return o.more(ctx, a, l, query, about)
	}
	return nil
}

// records selects what choose picks from. The ledger finds a few of many much faster than all, so it is told how many
// are needed: what is hidden among them comes on top. A filter of our own needs all.
func (o logOptions) records(ctx context.Context, l *lineage.Ledger, q lineage.Query, about *filter, tell *teller) iter.Seq2[lineage.Record, error] {
	if about != nil && about.all != nil && q.Where == "" && q.Sort == "" {
		return about.selected(q)
	}
	if o.limit > 0 && about == nil && tell.hidden() == 0 {
		q.Limit = o.limit
	}
	return l.Select(ctx, q)
}

// more says how much a screenful leaves out.
func (o logOptions) more(ctx context.Context, a *app, l *lineage.Ledger, q lineage.Query, about *filter) error {
	if about != nil {
		return nil
	}
	all, err := l.Count(ctx, q)
	if more := all - o.limit; err == nil && more > 0 {
		a.streams.Note("%s more: mlx log -n 0", cli.FormatCount(int64(more)))
	}
	return err
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

// choose tells the records that are wanted, at most the limit.
func (o logOptions) choose(tell *teller, records iter.Seq2[lineage.Record, error], about *filter) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		n := 0
		for rec, err := range records {
			if err != nil {
				yield(event{}, err)
				return
			}
			if about != nil && !about.takes(rec) {
				continue
			}
			e, err := tell.event(rec)
			if err == nil && e.hidden() && !o.hidden {
				continue
			}
			n++
			if !yield(e, err) || err != nil || n == o.limit {
				return
			}
		}
	}
}

func (o logOptions) print(a *app, events iter.Seq2[event, error]) error {
	columns := o.chosen()
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = strings.ToUpper(c.head)
	}
	items := func(yield func(cli.Item, error) bool) {
		for e, err := range events {
			item := cli.Item{Value: e.value}
			if o.raw {
				item.Value = verbatim(e.rec.Raw)
			}
			if err == nil {
				for _, c := range columns {
					item.Cells = append(item.Cells, c.cell(e))
				}
			}
			if !yield(item, err) {
				return
			}
		}
	}
	if o.raw && !a.streams.JSON {
		return fault.New(fault.Usage, "--raw prints JSON").Hint("mlx log --json --raw")
	}
	if o.format == "" || a.streams.JSON {
		return a.streams.List(header, items)
	}
	return printTable(a, o.format, header, items)
}

// verbatim is JSON that is written as it is.
type verbatim []byte

// MarshalJSON returns the bytes themselves.
func (v verbatim) MarshalJSON() ([]byte, error) { return v, nil }

// column is one column of log.
type column struct {
	head string
	cell func(event) cli.Cell
}

func (o logOptions) chosen() []column {
	names := o.columns
	if len(names) == 0 {
		names = []string{"when", "kind", "id", "what"}
		if len(o.kinds) == 1 {
			names = []string{"when", "id", "what"}
		}
	}
	all := make([]column, len(names))
	for i, name := range names {
		all[i] = columnOf(strings.TrimSpace(name))
	}
	return all
}

func columnOf(name string) column {
	c := column{head: name}
	switch name {
	case "when", "at":
		c.cell = func(e event) cli.Cell { return cli.Time(e.rec.At) }
	case "kind":
		c.cell = func(e event) cli.Cell { return cli.Str(e.noun) }
	case "id":
		c.cell = func(e event) cli.Cell { return cli.ID(e.id) }
	case "what", "text":
		c.cell = func(e event) cli.Cell {
			return cli.Fmt(strings.TrimSuffix(strings.Repeat("%s  ", len(e.what)), "  "), e.what...)
		}
	case "by":
		c.cell = func(e event) cli.Cell { return cli.Str(e.rec.By) }
	case "tags":
		c.cell = func(e event) cli.Cell { return cli.Str(strings.Join(e.words(), " ")) }
	default:
		c.cell = func(e event) cli.Cell { return valueCell(lookUp(e.value, name)) }
	}
	return c
}

// valueCell is a value of JSON.
func valueCell(v any) cli.Cell {
	switch v := v.(type) {
	case nil:
		return cli.Str("")
	case float64:
		return cli.Float(v)
	case string:
		return cli.Str(v)
	case []any:
		words := make([]string, len(v))
		for i, w := range v {
			words[i] = fmt.Sprint(w)
		}
		return cli.Str(strings.Join(words, " "))
	}
	return cli.Str(fmt.Sprint(v))
}
