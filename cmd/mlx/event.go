package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"mlx/internal/audit"
	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/image"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/tracking"
)

// event is one record told as a row of log.
type event struct {
	rec   lineage.Record
	id    object.Digest // what a person calls it: of a run its first record, of a snapshot its root
	noun  string
	what  []cli.Cell
	text  string // what, in one line
	tags  []tagBody
	value any // the row as JSON

	tree map[string]any // value as a program sees it, once somebody has looked
}

// hidden reports whether somebody said that log should leave it out.
func (e event) hidden() bool {
	return slices.ContainsFunc(e.tags, func(t tagBody) bool { return t.Name == hiddenTag })
}

// teller turns records into events. It knows what was said of each thing.
type teller struct {
	history  run.History
	tags     map[object.Digest][]tagBody
	moments  *moments // of the models that are asked about; nil for none
	services func(name string) (toldService, error)
	app      *app // knows the jobs of runs on backends
}

func (a *app) teller(ctx context.Context) (*teller, error) {
	return a.tellerOf(ctx, "")
}

// tellerOf knows only the tags for which where is true.
func (a *app) tellerOf(ctx context.Context, where string) (*teller, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	all, err := tagsWhere(ctx, l, where)
	if err != nil {
		return nil, err
	}
	return &teller{history: a.history(l), tags: all, app: a, services: a.servicesOf(ctx)}, nil
}

// learn looks up the tags of what some records are about.
func (t *teller) learn(ctx context.Context, l *lineage.Ledger, records []lineage.Record) error {
	if len(records) == 0 {
		return nil
	}
	ids := make([]object.Digest, len(records))
	for i, rec := range records {
		ids[i] = recordTarget(rec).ID
	}
	found, err := tagsOf(ctx, l, ids...)
	if err != nil {
		return err
	}
	maps.Copy(t.tags, found)
	return nil
}

// onlyHidden selects the tags that log needs in any case.
const onlyHidden = `name == "` + hiddenTag + `"`

// hidden counts the things that log leaves out.
func (t *teller) hidden() int {
	n := 0
	for id := range t.tags {
		if t.hides(id) {
			n++
		}
	}
	return n
}

// hides reports whether log leaves out the thing called id.
func (t *teller) hides(id object.Digest) bool { return event{tags: t.tags[id]}.hidden() }

// event tells one record.
func (t *teller) event(rec lineage.Record) (event, error) {
	found := recordTarget(rec)
	e := event{rec: rec, id: found.ID, noun: rec.Noun(), tags: t.tags[found.ID]}
	var err error
	switch {
	case found.Kind == refRun:
		err = t.run(&e)
	case found.Kind == refSnapshot:
		err = t.snapshot(&e)
	case found.Kind == refGate:
		err = t.gate(&e)
	case tagSet.Is(rec):
		err = t.tag(&e)
	case importMade.Is(rec):
		err = t.imported(&e)
	case run.Rejudged.Is(rec):
		err = t.rerun(&e)
	case ofRegistry(rec):
		err = t.model(&e)
	case drift.LabelsAdded.Is(rec):
		err = t.labels(&e)
	case audit.SegmentSealed.Is(rec):
		err = t.predictions(&e)
	case registry.Signed.Is(rec):
		err = t.signOff(&e)
	case modelConverted.Is(rec):
		err = t.converted(&e)
	case image.Packaged.Is(rec):
		err = t.packaged(&e)
	case drift.Checked.Is(rec):
		err = t.drift(&e)
	case drift.Acted.Is(rec):
		err = t.acted(&e)
	case deploy.Restored.Is(rec):
		err = t.restored(&e)
	case rec.Noun() == "deploy":
		err = t.deployed(&e)
	case tracking.Experiments.Is(rec):
		err = t.experiment(&e)
	default:
		t.other(&e)
	}
	return e, err
}

// words are the tags of an event as they are typed.
func (e event) words() []string {
	words := make([]string, len(e.tags))
	for i, t := range e.tags {
		words[i] = t.shown()
	}
	return words
}

func (t *teller) run(e *event) error {
	v, err := t.history.Of(e.rec)
	if err != nil {
		return err
	}
	e.what = runWords(v)
	v.Tags = e.words()
	e.text = cli.Sentence(e.what...)
	v.Text = e.text
	t.app.fillJob(&v)
	e.value = v
	return nil
}

// runWords tells a run in one line.
func runWords(v run.View) []cli.Cell {
	cells := []cli.Cell{stateCell(v.State), cli.Str(ranLine(v))}
	for _, name := range firstMetrics(v, 4) {
		cells = append(cells, cli.Fmt("%s %s", cli.Str(name), cli.Float(float64(v.Metrics[name]))))
	}
	if v.Because != nil {
		cells = append(cells, cli.Str("because "+v.Because.Words()))
	}
	return cells
}

// stateCell is the state of a run.
func stateCell(s run.State) cli.Cell {
	switch s {
	case run.Succeeded:
		return cli.Word(cli.RolePass, string(s))
	case run.Running:
		return cli.Word(cli.RoleBold, string(s))
	case run.Failed, run.Killed, run.Lost:
		return cli.Word(cli.RoleFail, string(s))
	case run.Cancelled, run.Pending, run.Unobserved:
	}
	return cli.Word(cli.RoleWarn, string(s))
}

// firstMetrics are the names of at most n metrics, in order.
func firstMetrics(v run.View, n int) []string {
	names := make([]string, 0, len(v.Metrics))
	for name := range v.Metrics {
		names = append(names, name)
	}
	sort.Strings(names)
	return names[:min(n, len(names))]
}

func (t *teller) snapshot(e *event) error {
	body, err := snapshotSaved.Decode(e.rec)
	if err != nil {
		return err
	}
	e.what = append(e.what, cli.Path(body.Path), cli.Num(body.Files, "file"))
	if body.Message != "" {
		e.what = append(e.what, cli.Quoted(body.Message))
	}
	e.text = cli.Sentence(e.what...)
	e.value = viewOfSnapshot(e.row("snapshot/v1"), body)
	return nil
}

func (t *teller) gate(e *event) error {
	v, err := gate.ViewOf(e.rec)
	if err != nil {
		return err
	}
	names := make([]string, len(v.Gates))
	for i, g := range v.Gates {
		names[i] = g.Name
	}
	e.what = []cli.Cell{
		cli.Fmt("%s %s", gateWord(string(v.Verdict), strings.ToUpper(string(v.Verdict))), cli.Str(strings.Join(names, " "))),
		cli.Fmt("%s %s", cli.Str(v.For.Kind), cli.Hex(v.For.ID, 12)),
	}
	e.text = cli.Sentence(e.what...)
	row := e.row("gate/v1")
	e.value = gateRow{View: v, By: row.By, Text: row.Text, Tags: row.Tags, Prev: row.Prev}
	return nil
}

func (t *teller) tag(e *event) error {
	body, err := tagSet.Decode(e.rec)
	if err != nil {
		return err
	}
	arrow := "%s -> %s %s"
	if body.Deleted {
		arrow = "%s taken from %s %s"
	}
	e.what = append(e.what, cli.Fmt(arrow, cli.Str(body.shown()), cli.Str(body.Target.Kind), cli.ID(body.Target.ID)))
	if body.Note != "" {
		e.what = append(e.what, cli.Quoted(body.Note))
	}
	e.text = cli.Sentence(e.what...)
	// A word that hides a thing is hidden with it, and so is whatever else is said of that thing.
	e.tags = slices.DeleteFunc(slices.Clone(t.tags[body.Target.ID]), func(b tagBody) bool { return b.Name != hiddenTag })
	value, note := some(body.Value), some(body.Note)
	e.value = tagRow{row: e.row("tag/v1"), Name: body.Name, Value: value, Note: note, Deleted: body.Deleted,
		Target: fault.Ref{Kind: body.Target.Kind, ID: body.Target.ID.Hex(), Name: ""}}
	return nil
}

// other tells a kind of record that has no words of its own here: its verb, and the short values of its body.
func (t *teller) other(e *event) {
	_, verb, _ := strings.Cut(e.rec.Kind, ".")
	verb, _, _ = strings.Cut(verb, "/")
	e.what = append(e.what, cli.Str(verb))
	var body map[string]any
	if err := json.Unmarshal(e.rec.Body, &body); err == nil {
		keys := make([]string, 0, len(body))
		for k := range body {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			if s := fmt.Sprint(body[k]); len(s) <= 60 && !strings.HasPrefix(s, "map[") && s != "" {
				e.what = append(e.what, cli.Fmt("%s %s", cli.Str(k), cli.Str(s)))
			}
		}
	}
	e.text = cli.Sentence(e.what...)
	e.value = otherRow{row: e.row(e.rec.Kind), Body: e.rec.Body}
}

// some returns a pointer to s, or nil when it is empty: the null of a view.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
