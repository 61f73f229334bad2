package main

import (
	"time"

	"mlx/internal/audit"
	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
)

// predictionView is prediction/v1: a sealed segment of the log of a service.
type predictionView struct {
	row
	Service  string           `json:"service"`
	Segment  string           `json:"segment"`
	Writer   string           `json:"writer"`
	Number   int64            `json:"number"`
	Previous *string          `json:"previous"` // of the same writer
	Kept     fault.Ref        `json:"kept"`
	Policy   string           `json:"policy"`
	Rows     int64            `json:"rows"`
	Requests int64            `json:"requests"`
	Bytes    int64            `json:"bytes"`
	From     *time.Time       `json:"from"` // null: it has no rows
	To       *time.Time       `json:"to"`
	Dropped  int64            `json:"dropped"`
	Lost     int64            `json:"lost"`
	Releases map[string]int64 `json:"releases"`
}

func viewOfPrediction(s audit.Sealed, r row) predictionView {
	v := predictionView{row: r, Service: s.Service, Segment: s.Segment.Hex(), Writer: s.Writer, Number: s.Number,
		Kept: refOf(refSnapshot, s.Kept.Hex(), ""), Policy: s.Policy.Hex(), Rows: s.Rows, Requests: s.Requests, Bytes: s.Bytes,
		Dropped: s.Dropped, Lost: s.Lost, Releases: s.Releases}
	if !s.Previous.IsZero() {
		v.Previous = some(s.Previous.Hex())
	}
	if s.Rows > 0 {
		v.From, v.To = &s.From, &s.To
	}
	if v.Releases == nil {
		v.Releases = map[string]int64{}
	}
	return v
}

// words tell a segment in one line.
func (v predictionView) words() []cli.Cell {
	cells := []cli.Cell{cli.Str(v.Service), cli.Num(v.Rows, "prediction")}
	if v.From != nil {
		cells = append(cells, cli.Fmt("%s to %s", cli.Str(v.From.UTC().Format(time.RFC3339)), cli.Str(v.To.UTC().Format(time.RFC3339))))
	}
	if v.Dropped > 0 {
		cells = append(cells, cli.Word(cli.RoleWarn, cli.FormatNum(v.Dropped, "request")+" dropped"))
	}
	if v.Lost > 0 {
		cells = append(cells, cli.Word(cli.RoleWarn, cli.FormatNum(v.Lost, "request")+" lost"))
	}
	return cells
}

// predictions tells a record of a sealed segment.
func (t *teller) predictions(e *event) error {
	body, err := audit.SegmentSealed.Decode(e.rec)
	if err != nil {
		return err
	}
	v := viewOfPrediction(body, row{})
	e.what = v.words()
	e.text = cli.Sentence(e.what...)
	v.row = e.row("prediction/v1")
	e.value = v
	return nil
}

// showPredictions shows a sealed segment.
func (a *app) showPredictions(rec lineage.Record) error {
	body, err := audit.SegmentSealed.Decode(rec)
	if err != nil {
		return err
	}
	e := event{rec: rec, id: rec.ID, noun: rec.Noun()}
	e.text = cli.Sentence(viewOfPrediction(body, row{}).words()...)
	v := viewOfPrediction(body, e.row("prediction/v1"))
	return a.streams.Emit(v, func(t *cli.Text) { v.page(rec, t) })
}

func (v predictionView) page(rec lineage.Record, t *cli.Text) {
	t.Line(cli.Fmt("predictions %s", cli.ID(rec.ID)), cli.Time(rec.At), cli.Fmt("by %s", cli.Str(rec.By)))
	t.KeyValue(2, "service", cli.Str(v.Service))
	t.KeyValue(2, "rows", cli.Fmt("%s of %s", cli.Count(v.Rows), cli.Num(v.Requests, "request")), cli.Bytes(v.Bytes))
	if v.From != nil {
		t.KeyValue(2, "of", cli.Fmt("%s to %s", cli.Str(v.From.UTC().Format(time.RFC3339Nano)), cli.Str(v.To.UTC().Format(time.RFC3339Nano))))
	}
	if v.Dropped > 0 {
		t.KeyValue(2, "dropped", cli.Fmt("%s: too many waited to be written", cli.Num(v.Dropped, "request")))
	}
	if v.Lost > 0 {
		t.KeyValue(2, "lost", cli.Fmt("at least %s: the process that had them was killed", cli.Num(v.Lost, "request")))
	}
	for _, key := range sortedKeys(v.Releases) {
		t.KeyValue(2, "release", cli.Str(shortKey(key)), cli.Num(v.Releases[key], "row"))
	}
	t.KeyValue(2, "segment", cli.Fmt("%s, number %s of writer %s", cli.Hex(v.Segment, 12), cli.Count(v.Number), cli.Str(v.Writer)))
	if v.Previous != nil {
		t.KeyValue(2, "after", cli.Hex(*v.Previous, 12))
	}
	t.KeyValue(2, "kept", cli.Fmt("snapshot %s", cli.Hex(v.Kept.ID, 12)))
}

// shortKey is the key of a release as it is shown.
func shortKey(key string) string {
	if key == "" {
		return "none"
	}
	return key[:min(12, len(key))]
}
