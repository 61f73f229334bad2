package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// labelling is one `label add` on its way.
type labelling struct {
	app     *app
	o       labelAddOptions
	monitor string
	body    drift.Labels
	records []drift.Labels
	dir     string // temporary
}

func labelAddRun(ctx context.Context, a *app, o labelAddOptions) error {
	name, m, err := a.labelledMonitor(o.monitor)
	if err != nil {
		return err
	}
	opts, err := a.tableOptions(o.file, func(where string) (gate.Meaning, bool) { return a.tableMeaning(a.fromRoot(where)) })
	if err != nil {
		return err
	}
	opts.Temp = a.scratch()
	t, err := a.openTable(ctx, o.file, opts)
	if err != nil {
		return err
	}
	a.opened = append(a.opened, t)
	l := &labelling{app: a, o: o, monitor: name}
	if l.records, err = a.labelRecords(ctx, name); err != nil {
		return err
	}
	l.body = drift.Labels{Monitor: name, Source: t.Ref}
	if l.body.ID, l.body.Label, err = labelColumns(t, o.file, o.id, o.label, m); err != nil {
		return err
	}
	if l.dir, err = os.MkdirTemp("", "mlx-labels-"); err != nil {
		return fault.New(fault.KindOf(err), "cannot add labels: %w", err)
	}
	defer os.RemoveAll(l.dir)
	known, err := a.knownLabels(ctx, name, m, l.records)
	if err != nil {
		return err
	}
	predictions, err := a.everyPrediction(ctx, name, m)
	if err != nil {
		return err
	}
	file := filepath.Join(l.dir, "labels.csv")
	if err := l.count(ctx, t.Table, known, predictions, file); err != nil {
		return err
	}
	v, err := l.keep(ctx, file)
	if err != nil {
		return err
	}
	return a.streams.EmitVerdict(v, false, v.addedText)
}

// count joins the labels with what is known, and writes ids and outcomes to a file of their own.
func (l *labelling) count(ctx context.Context, t *dataset.Table, known []drift.LabelTable, p *drift.Predictions, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot add labels: %w", err)
	}
	buffered := bufio.NewWriterSize(f, 1<<18)
	w := csv.NewWriter(buffered)
	total, _ := t.Rows()
	progress := l.app.streams.Progress("joining labels", "rows", total)
	defer progress.Done()
	err = w.Write([]string{drift.KeptID, drift.KeptLabel})
	if err == nil {
		l.body.LabelCounts, err = drift.Labelling{
			Added: drift.LabelTable{Name: l.o.file, Table: t, ID: l.body.ID, Label: l.body.Label}, Known: known, Predictions: p, At: l.app.now(),
			Each: func(id, label []byte) error { return w.Write([]string{string(id), string(label)}) },
		}.Count(ctx, drift.LabelOptions{Temp: l.app.scratch(), Read: progress.Add})
	}
	w.Flush()
	return errors.Join(err, w.Error(), buffered.Flush(), f.Close())
}

// keep makes the labels a version and records them, unless they are known.
func (l *labelling) keep(ctx context.Context, file string) (labelView, error) {
	same := func(r drift.Labels) bool {
		return r.Source.ID == l.body.Source.ID && r.ID == l.body.ID && r.Label == l.body.Label
	}
	if !l.body.Changed() || slices.ContainsFunc(l.records, same) {
		return l.unchanged(), nil
	}
	store, err := l.app.store()
	if err != nil {
		return labelView{}, err
	}
	kept, err := store.Save(ctx, snapshot.SaveOptions{Path: file, Once: true})
	if err != nil {
		return labelView{}, fault.New(fault.KindOf(err), "cannot keep the labels of %s: %w", l.o.file, err)
	}
	defer l.app.free([]func() error{kept.Release})
	if slices.ContainsFunc(l.records, func(r drift.Labels) bool { return r.Kept == kept.Root }) {
		return l.unchanged(), nil // the same outcomes in another form
	}
	ledger, err := l.app.ledger()
	if err != nil {
		return labelView{}, err
	}
	l.body.Kept = kept.Root
	// The version has a path of its own, so that gc keeps it however many labels follow.
	path := "labels/" + strings.ReplaceAll(l.monitor, "/", "-") + "/" + kept.Root.Hex()[:16] + ".csv"
	saved := bodyOf(path, object.Digest{}, kept, "labels of "+l.monitor)
	if _, err := snapshotSaved.Append(ctx, ledger, lineage.Entry[savedBody]{Body: saved}); err != nil {
		return labelView{}, err
	}
	rec, err := drift.LabelsAdded.Append(ctx, ledger, lineage.Entry[drift.Labels]{Body: l.body,
		In: []lineage.Input{{Role: "labels", ID: kept.Root}}})
	if err != nil {
		return labelView{}, err
	}
	return viewOfLabels(l.body, rec), nil
}

// unchanged is the answer when nothing was added.
func (l *labelling) unchanged() labelView {
	v := viewOfLabels(l.body, lineage.Record{})
	v.Changed = false
	return v
}
