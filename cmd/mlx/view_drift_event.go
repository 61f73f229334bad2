package main

import (
	"context"
	"encoding/json"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/lineage"
)

// driftRow is drift/v1 as a row of log: one answer.
type driftRow struct {
	row
	Verdict  drift.Verdict     `json:"verdict"`
	Mapped   *drift.Verdict    `json:"mapped"`
	Monitors []driftAnswerView `json:"monitors"`

	answer drift.Answer
}

// actedRow is an action as a row of log.
type actedRow struct {
	row
	Monitor string     `json:"monitor"`
	Action  actionView `json:"action"`
}

// drift tells an answer: "flights-daily: dewp, temp drifted".
func (t *teller) drift(e *event) error {
	answer, err := drift.Checked.Decode(e.rec)
	if err != nil {
		return err
	}
	d := driftTold{Record: e.rec.ID, At: e.rec.At, Answer: answer}
	e.what = []cli.Cell{cli.Fmt("%s: %s", d.name(), d.found())}
	if window := windowWords(answer.Window); window != "" {
		e.what = append(e.what, cli.Str(window))
	}
	e.what = append(e.what, cli.Num(answer.Window.Rows, "row"))
	e.text = cli.Sentence(e.what...)
	e.value = driftRow{row: e.row("drift/v1"), Verdict: answer.Verdict, Monitors: []driftAnswerView{d.view()}, answer: answer}
	return nil
}

// found is what an answer says, in a few words.
func (d driftTold) found() cli.Cell {
	r := d.Answer
	switch r.Verdict {
	case drift.Stable:
		return driftCell(r.Verdict, "no drift")
	case drift.Drift:
		return driftCell(r.Verdict, shortNames(r.Drifted())+" drifted")
	case drift.CannotTell:
	}
	if r.Why != "" {
		return driftCell(r.Verdict, "cannot tell: "+r.Why)
	}
	var names []string
	for _, c := range r.Columns {
		if c.Verdict != drift.Stable {
			names = append(names, c.Name)
		}
	}
	return driftCell(r.Verdict, strings.TrimSuffix("cannot tell: "+shortNames(names), ": "))
}

// acted tells what drift started.
func (t *teller) acted(e *event) error {
	done, err := drift.DoneOf(e.rec)
	if err != nil {
		return err
	}
	v := viewOfAction(done)
	role := cli.RolePlain
	if done.State == drift.ActionFailed {
		role = cli.RoleFail
	}
	e.what = []cli.Cell{cli.Fmt("%s: %s", cli.Str(done.Monitor), cli.Word(role, v.Text))}
	e.text = cli.Sentence(e.what...)
	e.value = actedRow{row: e.row("drift.acted/v1"), Monitor: done.Monitor, Action: v}
	return nil
}

// tree is the row as a program sees it, with what there is only one of within reach: the fields of the answer, and the effect of each column
// by its name.
func (r driftRow) tree() map[string]any {
	tree := treeOf(r)
	columns := make(map[string]any)
	for _, c := range r.answer.Columns {
		if c.Value != nil {
			columns[c.Name] = *c.Value
		}
	}
	one := treeOf(r.Monitors[0])
	for name, v := range one {
		if _, taken := tree[name]; !taken {
			tree[name] = v
		}
	}
	tree["metrics"] = columns // where a name without a place is looked up
	return tree
}

// ofMonitor reports whether a record is about a monitor.
func ofMonitor(rec lineage.Record, name string) bool {
	if rec.Noun() != "drift" && rec.Noun() != "label" {
		return false
	}
	var body struct {
		Monitor string `json:"monitor"`
	}
	return json.Unmarshal(rec.Body, &body) == nil && body.Monitor == name
}

// aboutMonitor asks for all that happened to a monitor: answers, what they started, labels. A monitor that mlx.yaml no longer has is known by
// its records.
func (a *app) aboutMonitor(ctx context.Context, name string) (meaning, error) {
	l, err := a.ledger()
	if err != nil {
		return meaning{}, err
	}
	where := "monitor == " + pathWord(name)
	n, err := l.Count(ctx, lineage.Query{Nouns: []string{"drift", "label"}, Where: where, All: true})
	if err != nil || n == 0 {
		return meaning{}, err
	}
	return meaning{where: where, monitor: name, test: func(rec lineage.Record) bool { return ofMonitor(rec, name) }}, nil
}
