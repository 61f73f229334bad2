package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// driftTold is one answer and what is known beside it when it is told.
type driftTold struct {
	Record  object.Digest // zero: nothing was recorded
	At      time.Time     // when it was recorded
	Answer  drift.Answer
	New     bool           // this window had not been answered before
	Written fault.Position // of the monitor in mlx.yaml; zero when it is not there
}

// driftView is drift/v1.
type driftView struct {
	Kind     string            `json:"kind"`
	Verdict  drift.Verdict     `json:"verdict"`
	Mapped   *drift.Verdict    `json:"mapped"` // what --inconclusive made of the exit status
	Monitors []driftAnswerView `json:"monitors"`

	told []driftTold
}

// driftAnswerView is the answer of one monitor for one window.
type driftAnswerView struct {
	ID           *string           `json:"id"` // null: nothing was recorded
	Monitor      *string           `json:"monitor"`
	Verdict      drift.Verdict     `json:"verdict"`
	Window       drift.Window      `json:"window"`
	Reference    gate.ViewRef      `json:"reference"`
	New          bool              `json:"new"`
	DriftedShare *float64          `json:"drifted_share"`
	LimitShare   float64           `json:"limit_share"`
	Columns      []driftColumnView `json:"columns"`
	Notes        []string          `json:"notes"`
	Why          *string           `json:"why"`
}

// driftColumnView is what was found of one column.
type driftColumnView struct {
	Name    string        `json:"name"`
	Verdict drift.Verdict `json:"verdict"`
	Method  drift.Method  `json:"method"`
	Value   *float64      `json:"value"`
	Text    string        `json:"text"`
	Why     *string       `json:"why"`
}

// driftViewOf folds answers into one document.
func driftViewOf(told []driftTold) driftView {
	v := driftView{Kind: "drift/v1", Verdict: drift.Stable, Monitors: []driftAnswerView{}, told: told}
	for _, d := range told {
		r := d.Answer
		one := driftAnswerView{Monitor: some(r.Monitor), Verdict: r.Verdict, Window: r.Window, Reference: gate.ViewRef{Kind: r.Reference.Kind, ID: r.Reference.ID.Hex(), Name: some(r.Reference.Name)}, New: d.New,
			DriftedShare: r.DriftedShare, LimitShare: r.LimitShare, Columns: []driftColumnView{}, Notes: append([]string{}, r.Notes...), Why: some(r.Why)}
		if !d.Record.IsZero() {
			one.ID = some(d.Record.Hex())
		}
		for _, c := range r.Columns {
			one.Columns = append(one.Columns, driftColumnView{c.Name, c.Verdict, c.Method, c.Value, c.Text, some(c.Why)})
		}
		v.Monitors, v.Verdict = append(v.Monitors, one), drift.Worst(v.Verdict, r.Verdict)
	}
	return v
}

// driftForms are the words of --format for what judges drift.
func driftForms() []string { return []string{"markdown"} }

// driftForm is how a report of drift is written to a file, by the extension of its name.
func driftForm(name string) (string, error) {
	if strings.EqualFold(filepath.Ext(name), ".json") {
		return "json", nil
	}
	return "", fault.New(fault.Usage, "cannot write %s: the form of a report is known by .json", name)
}

// write writes a report for each file, in the form that its name asks for.
func (v driftView) write(files []string) error {
	for _, file := range files {
		doc, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		if err := writeReport(file, append(doc, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// printDrift shows the answers.
func (a *app) printDrift(v driftView, _ string, failed bool) error {
	return a.streams.EmitVerdict(v, failed, func(t *cli.Text) {
		for _, d := range v.told {
			t.Line(cli.Str(driftWord(d.Answer.Verdict)), cli.Str(d.Answer.Monitor), cli.Num(d.Answer.Window.Rows, "row"))
			for _, c := range d.Answer.Columns {
				t.Indented(2, cli.Str(driftWord(c.Verdict)), cli.Str(c.Name), cli.Str(c.Text))
			}
			for _, note := range d.Answer.Notes {
				t.Indented(2, cli.Str(note))
			}
		}
	})
}

// driftWord is a verdict as people read it.
func driftWord(v drift.Verdict) string {
	switch v {
	case drift.Stable:
		return "no drift"
	case drift.Drift:
		return "drift"
	}
	return "cannot tell"
}

func driftCell(v drift.Verdict, shown string) cli.Cell {
	switch v {
	case drift.Stable:
		return cli.Word(cli.RolePass, shown)
	case drift.Drift:
		return cli.Word(cli.RoleFail, shown)
	}
	return cli.Word(cli.RoleWarn, shown)
}
