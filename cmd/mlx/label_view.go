package main

import (
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/lineage"
)

// labelView is label/v1: what a table of outcomes brought. Without a record its id is null.
type labelView struct {
	Kind        string     `json:"kind"`
	ID          *string    `json:"id"`
	Monitor     string     `json:"monitor"`
	Changed     bool       `json:"changed"`
	Kept        *fault.Ref `json:"kept"`
	Source      fault.Ref  `json:"source"`
	IDColumn    string     `json:"id_column"`
	LabelColumn string     `json:"label_column"`
	labelNumbers
}

// labelNumbers are the counts of label/v1. What is not known is null.
type labelNumbers struct {
	Rows        int64      `json:"rows"`
	Empty       int64      `json:"empty"`
	Duplicates  int64      `json:"duplicates"`
	New         int64      `json:"new"`
	Corrected   int64      `json:"corrected"`
	Repeated    int64      `json:"repeated"`
	Matched     *int64     `json:"matched"`
	Unknown     *int64     `json:"unknown"`
	Predictions *int64     `json:"predictions"`
	Missing     *int64     `json:"missing"`
	Oldest      *time.Time `json:"oldest_at"`
	Newest      *time.Time `json:"newest_at"`
	Age         *float64   `json:"median_age_s"`
}

func viewOfLabels(b drift.Labels, rec lineage.Record) labelView {
	v := labelView{Kind: "label/v1", Monitor: b.Monitor, Changed: true, Source: refOf(b.Source.Kind, b.Source.ID.Hex(), b.Source.Name),
		IDColumn: b.ID, LabelColumn: b.Label, labelNumbers: labelNumbers(b.LabelCounts)}
	if !rec.ID.IsZero() {
		v.ID = some(rec.ID.Hex())
	}
	if !b.Kept.IsZero() {
		kept := refOf(refSnapshot, b.Kept.Hex(), "")
		v.Kept = &kept
	}
	return v
}

// addedText is the answer of `label add`: a line a thing, and to a program one line of the same columns whatever came.
func (v labelView) addedText(t *cli.Text) {
	switch {
	case !t.TTY():
		word, id := cli.Word(cli.RolePlain, "unchanged"), cli.None()
		if v.Changed {
			word, id = cli.Word(cli.RolePlain, "added"), cli.Hex(*v.ID, 12)
		}
		t.Line(word, id, cli.Str(v.Monitor), cli.Count(v.New), cli.Count(v.Corrected), cli.Count(v.Repeated), known(v.Unknown), known(v.Missing))
	case !v.Changed:
		t.Line(cli.Fmt("nothing changed: %s of %s are known", cli.Num(v.Repeated+v.New+v.Corrected, "label"), cli.Str(v.Monitor)))
	default:
		t.Line(append([]cli.Cell{cli.Fmt("added label %s to %s", cli.Hex(*v.ID, 12), cli.Str(v.Monitor))}, v.words()...)...)
		if v.Missing != nil {
			t.Line(cli.Fmt("%s of %s still without a label", cli.Num(*v.Missing, "prediction"), cli.Count(*v.Predictions)))
		}
	}
}

// known is a count, where it is known.
func known(n *int64) cli.Cell {
	if n == nil {
		return cli.None()
	}
	return cli.Count(*n)
}

// words tell the counts: of what there is none, nothing is said.
func (v labelView) words() []cli.Cell {
	cells := []cli.Cell{cli.Fmt("%s new", cli.Count(v.New))}
	add := func(n int64, format string) {
		if n > 0 {
			cells = append(cells, cli.Fmt(format, cli.Count(n)))
		}
	}
	add(v.Corrected, "%s corrected")
	add(v.Repeated, "%s known before")
	add(v.Duplicates, "%s twice in the file")
	add(v.Empty, "%s without an outcome")
	if v.Matched != nil {
		add(*v.Unknown, "%s without a prediction")
	}
	if v.Age != nil {
		cells = append(cells, cli.Fmt("median age %s", cli.Duration(time.Duration(*v.Age)*time.Second)))
	}
	return cells
}

// labels tells a record of labels.
func (t *teller) labels(e *event) error {
	body, err := drift.LabelsAdded.Decode(e.rec)
	if err != nil {
		return err
	}
	v := viewOfLabels(body, e.rec)
	e.what = []cli.Cell{cli.Str(body.Monitor), cli.Str(labelWords(v))}
	e.text = cli.Sentence(e.what...)
	r := e.row("label/v1")
	e.value = labelRow{labelView: v, At: r.At, By: r.By, Text: r.Text, Tags: r.Tags, Prev: r.Prev}
	return nil
}

// showLabels shows what one table of outcomes brought.
func (a *app) showLabels(rec lineage.Record) error {
	body, err := drift.LabelsAdded.Decode(rec)
	if err != nil {
		return err
	}
	v := viewOfLabels(body, rec)
	return a.streams.Emit(labelRow{labelView: v, At: rec.At, By: rec.By, Text: cli.Sentence(cli.Str(v.Monitor), cli.Str(labelWords(v))), Tags: []string{}, Prev: hexes(rec.Prev)},
		func(t *cli.Text) { v.page(rec, t) })
}

func labelWords(v labelView) string {
	return strings.ReplaceAll(cli.Sentence(v.words()...), "  ", ", ")
}

// page tells a record of labels whole.
func (v labelView) page(rec lineage.Record, t *cli.Text) {
	t.Line(cli.Fmt("labels %s", cli.ID(rec.ID)), cli.Time(rec.At), cli.Fmt("by %s", cli.Str(rec.By)))
	t.KeyValue(2, "monitor", cli.Str(v.Monitor))
	t.KeyValue(2, "source", cli.Str(v.Source.Name), cli.Fmt("columns %s and %s", cli.Str(v.IDColumn), cli.Str(v.LabelColumn)))
	t.KeyValue(2, "labels", cli.Num(v.Rows, "row"), cli.Str(labelWords(v)))
	if v.Matched != nil {
		t.KeyValue(2, "matched", cli.Num(*v.Matched, "prediction"))
	}
	if v.Oldest != nil && v.Newest != nil {
		t.KeyValue(2, "of", cli.Fmt("%s to %s", cli.Str(v.Oldest.Format(time.DateOnly)), cli.Str(v.Newest.Format(time.DateOnly))))
	}
	if v.Missing != nil {
		t.KeyValue(2, "missing", cli.Fmt("%s of %s had no label then", cli.Count(*v.Missing), cli.Num(*v.Predictions, "prediction")))
	}
	if v.Kept != nil {
		t.KeyValue(2, "kept", cli.Fmt("snapshot %s", cli.Hex(v.Kept.ID, 12)))
	}
}

// labelRow is label/v1 as a row of log.
type labelRow struct {
	labelView
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Text string    `json:"text"`
	Tags []string  `json:"tags"`
	Prev []string  `json:"prev"`
}
