package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/repo"
)

func newLabel(a *app) *cobra.Command {
	return noun("label", "Join true outcomes to logged predictions", newLabelAdd(a))
}

type labelAddOptions struct {
	file    string
	monitor string
	id      string
	label   string
}

func newLabelAdd(a *app) *cobra.Command {
	var o labelAddOptions
	cmd := &cobra.Command{
		Use:   "add FILE",
		Short: "Join true outcomes to logged predictions",
		Long: `Outcomes become known days after the predictions: whether the flight was late, whether the customer left. FILE has them: any table with a
column of ids and a column of outcomes. It is a file, a folder, a pattern in quotes, REF:PATH, a URL, or - for stdin.

  id,label
  UA1545-2013-01-01,0

The outcomes of one monitor are kept and recorded, and mlx drift check joins all of them to its predictions (key predictions of mlx.yaml)
and judges their quality. They can come in any number of files and in any order: a later outcome of an id takes the place of an earlier
one, rows without an outcome are passed over, and the same file twice changes nothing. Two rows of one file that say different things of an
id are an error, and nothing is added.`,
		Example: `mlx label add outcomes.csv
mlx label add late.csv --monitor flights-daily --id flight --label late`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return labelAddRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completePaths,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.monitor, "monitor", "", "`NAME` of the monitor whose predictions they belong to; needed when several have predictions")
	flags.StringVar(&o.id, "id", "", "`COLUMN` of the ids in FILE; when absent that of the monitor, else id")
	flags.StringVar(&o.label, "label", "", "`COLUMN` of the outcomes in FILE; when absent that of the monitor, else label")
	completeFlag(cmd, "monitor", a.completeNames("monitors"))
	return cmd
}

// labelledMonitor is the monitor whose predictions get labels.
func (a *app) labelledMonitor(name string) (string, repo.Monitor, error) {
	cfg, err := a.config()
	if err != nil {
		return "", repo.Monitor{}, err
	}
	var watching []string
	for n, m := range cfg.Monitors.All() {
		if m.Predictions.Table != "" {
			watching = append(watching, n)
		}
	}
	name = strings.TrimPrefix(name, "monitor:")
	m, ok := cfg.Monitors.Get(name)
	switch {
	case ok && m.Predictions.Table == "":
		return "", m, fault.New(fault.Usage, "cannot add labels: monitor %s has no predictions", name).In(m.At).
			Hint("predictions: work/predictions.csv   # in %s: a table with the columns id and score", repo.ConfigName)
	case ok:
		return name, m, nil
	case name != "":
		err := fault.New(fault.NotFound, "cannot add labels: %s has no monitor %q", repo.ConfigName, name)
		if near := fault.Nearest(name, cfg.Monitors.Names()); near != "" {
			return "", m, err.Hint("did you mean %s?", near)
		}
		return "", m, err.Hint("mlx drift list")
	case len(watching) == 0:
		return "", m, fault.New(fault.Usage, "cannot add labels: no monitor of %s has predictions", repo.ConfigName).
			Hint("monitors: {NAME: {predictions: TABLE, reference: TABLE}}   # in %s", repo.ConfigName)
	case len(watching) > 1:
		return "", m, fault.New(fault.Usage, "cannot tell which monitor the labels are of: %s have predictions", strings.Join(watching, ", ")).
			Hint("--monitor %s", watching[0])
	}
	m, _ = cfg.Monitors.Get(watching[0])
	return watching[0], m, nil
}

// labelRecords are the records of labels of a monitor, in the order in which they count: the last one wins.
func (a *app) labelRecords(ctx context.Context, monitor string) ([]drift.Labels, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	var all []drift.Labels
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"label"}, Sort: "lc", All: true}) {
		if err != nil {
			return nil, err
		}
		if !drift.LabelsAdded.Is(rec) {
			continue // of a later version
		}
		body, err := drift.LabelsAdded.Decode(rec)
		if err != nil {
			return nil, err
		}
		if body.Monitor == monitor {
			all = append(all, body)
		}
	}
	return all, nil
}

// knownLabels opens every table of outcomes of a monitor, in the order in which they count.
func (a *app) knownLabels(ctx context.Context, name string, m repo.Monitor, records []drift.Labels) ([]drift.LabelTable, error) {
	var all []drift.LabelTable
	if m.Labels != "" {
		t, err := a.configTable(ctx, m.Labels)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read the labels of %s: %w", name, err)
		}
		id, label, err := labelColumns(t, m.Labels, "", "", m)
		if err != nil {
			return nil, err
		}
		all = append(all, drift.LabelTable{Name: m.Labels, Table: t.Table, ID: id, Label: label})
	}
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	erased, err := store.Erased()
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		if erased[r.Kept] {
			a.streams.Note("labels of %s were erased: they count no longer", r.Source.Name)
			continue
		}
		if slices.ContainsFunc(records[i+1:], func(later drift.Labels) bool { return later.Kept == r.Kept }) {
			continue // two processes added the same at once
		}
		found, err := a.tableFiles(ctx, refSnapshot+":"+r.Kept.Hex())
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read the labels of %s: %w", name, err)
		}
		t, err := found.open(ctx, drift.KeptLabels(), false)
		if err != nil {
			return nil, err
		}
		a.opened = append(a.opened, t)
		all = append(all, drift.LabelTable{Name: "labels of " + r.Source.Name, Table: t.Table, ID: drift.KeptID, Label: drift.KeptLabel})
	}
	return all, nil
}

// configTable opens a table that mlx.yaml names. It stays open until the command ends.
func (a *app) configTable(ctx context.Context, where string) (*openedTable, error) {
	typed := a.fromConfig(where)
	if err := a.mayContact(typed); err != nil {
		return nil, err
	}
	opts, err := a.tableOptions(where, a.tableMeaning)
	if err != nil {
		return nil, err
	}
	opts.Temp = a.scratch()
	t, err := a.openTable(ctx, typed, opts)
	if err != nil {
		return nil, err
	}
	a.opened = append(a.opened, t)
	return t, nil
}

// labelColumns are the columns of a table of outcomes: those that were typed, else those of the monitor, else id and label.
func labelColumns(t *openedTable, where, id, label string, m repo.Monitor) (string, string, error) {
	schema := t.Schema()
	pick := func(typed, ours, usual string) (string, error) {
		switch {
		case typed != "" && schema.Index(typed) < 0:
			return "", t.NoColumn(typed)
		case typed != "":
			return typed, nil
		case ours != "" && schema.Index(ours) >= 0:
			return ours, nil
		case schema.Index(usual) >= 0:
			return usual, nil
		}
		return "", fault.New(fault.NotFound, "cannot read the labels of %s: it has no column %q", where, usual).
			Hint("--%s COLUMN   # its columns are %s", usual, schema.String())
	}
	id, err := pick(id, m.Predictions.ID, "id")
	if err != nil {
		return "", "", err
	}
	label, err = pick(label, m.Predictions.Label, "label")
	return id, label, err
}
