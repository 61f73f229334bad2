package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// driftForms are the words of --format for what judges drift.
func driftForms() []string {
	return []string{"markdown", "html", "junit", "github", "gitlab", "azure", "csv", "prometheus", "openmetrics"}
}

// checkDriftForm refuses a word of --format that is none of them.
func checkDriftForm(form string) error {
	if form == "" || slices.Contains(driftForms(), form) {
		return nil
	}
	return fault.New(fault.Usage, "cannot print drift as %q", form).Hint("--format %s; for JSON: --json", strings.Join(driftForms(), ", "))
}

// driftForm is how a report of drift is written to a file, by the extension of its name.
func driftForm(name string) (string, error) {
	forms := map[string]string{".md": "markdown", ".html": "html", ".xml": "junit", ".json": "json", ".csv": "csv", ".prom": "prometheus"}
	if form := forms[strings.ToLower(filepath.Ext(name))]; form != "" {
		return form, nil
	}
	return "", fault.New(fault.Usage, "cannot write %s: the form of a report is known by .html, .md, .xml, .csv, .json or .prom", name)
}

// render writes the answers in a form.
func (v driftView) render(form string) ([]byte, error) {
	switch form {
	case "markdown":
		return v.markdown(), nil
	case "html":
		return v.html(), nil
	case "csv":
		return v.csv(), nil
	case "prometheus":
		return driftExposition(v.told, false), nil
	case "openmetrics":
		return driftExposition(v.told, true), nil
	case "junit":
		return v.asGate().JUnit()
	case "github":
		return v.asGate().GitHub(), nil
	case "gitlab":
		return v.asGate().GitLab()
	case "azure":
		return v.asGate().Azure(), nil
	}
	doc, err := json.MarshalIndent(v, "", "  ")
	return append(doc, '\n'), err
}

// write writes a report for each file, in the form that its name asks for.
func (v driftView) write(files []string) error {
	for _, file := range files {
		form, err := driftForm(file)
		if err != nil {
			return err
		}
		text, err := v.render(form)
		if err != nil {
			return err
		}
		if err := writeReport(file, text); err != nil {
			return err
		}
	}
	return nil
}

// asGate puts answers as verdicts of gates, which is what CI knows how to show: a monitor is a gate, a column a check of it.
func (v driftView) asGate() gate.View {
	g := gate.View{Verdict: v.Verdict, Tool: "drift", Report: gate.Report{Verdict: v.Verdict}}
	for i, d := range v.told {
		if i == 0 || d.Answer.Verdict == drift.Drift && g.Report.For.ID.IsZero() {
			g.Record, g.At = d.Record, cmp.Or(d.At, d.Answer.AsOf)
		}
		g.Report.Gates = append(g.Report.Gates, d.asResult())
	}
	return g
}

func (d driftTold) asResult() gate.Result {
	r := d.Answer
	one := gate.Result{Name: d.title(), Verdict: r.Verdict, For: r.Current, Against: &r.Reference, As: r.Reference.Name}
	for _, c := range driftOrder(r.Columns) {
		one.Checks = append(one.Checks, d.finding(c))
	}
	for _, f := range r.Checks {
		f.At = cmp.Or(f.At, d.Written)
		one.Checks = append(one.Checks, f)
	}
	return one
}

// finding is a column as a finding of a gate.
func (d driftTold) finding(c drift.Column) gate.Finding {
	f := gate.Finding{Name: c.Name, Subject: "column", Verdict: c.Verdict, Severity: gate.SeverityFail, Value: knownNumber(c.Value), Rows: &c.Rows,
		Limit: gate.Limit{Max: knownNumber(c.Threshold)}, Shown: cmp.Or(c.Why, c.Text), At: d.Written}
	if chance := chanceWords(judgedP(c.P, c.PAdjusted)); chance != "" && c.Why == "" {
		f.Shown += ", " + chance
	}
	if c.Threshold != nil {
		f.Needs = methodWord(c.Method) + " below " + strconv.FormatFloat(*c.Threshold, 'g', 4, 64)
	}
	return f
}

// title is the monitor, or what somebody compared, for a report.
func (d driftTold) title() string {
	return cmp.Or(d.Answer.Monitor, d.Answer.Current.Name, d.Answer.Current.ID.Short())
}

// csv is a row a column, of all answers.
func (v driftView) csv() []byte {
	w := newTableWriter("csv")
	w.line([]string{"monitor", "from", "to", "record", "column", "verdict", "kind", "method", "value", "threshold", "p", "p_adjusted", "direction",
		"rows", "missing_share", "reference_missing_share", "text"}, "")
	number := func(v *float64) string {
		if v = knownNumber(v); v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for _, d := range v.told {
		for _, c := range d.Answer.Columns {
			w.line([]string{d.Answer.Monitor, at(d.Answer.Window.From), at(d.Answer.Window.To), hexOf(d.Record), c.Name, string(c.Verdict), string(c.Kind),
				string(c.Method), number(c.Value), number(c.Threshold), number(c.P), number(c.PAdjusted), c.Direction, strconv.FormatInt(c.Rows, 10),
				number(&c.MissingShare), number(&c.ReferenceMissing), cmp.Or(c.Why, c.Text)}, "")
		}
	}
	return w.bytes()
}

// hexOf is a digest, or empty where there is none.
func hexOf(d object.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.Hex()
}

// markdown is for a comment on a pull request: what drifted first, what did not folded away.
func (v driftView) markdown() []byte {
	var b bytes.Buffer
	for _, d := range v.told {
		d.markdown(&b)
	}
	return b.Bytes()
}
