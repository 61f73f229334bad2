package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// gateForm returns how a report is written to a file, by the extension of its name.
func gateForm(name string) (string, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".md":
		return "markdown", nil
	case ".xml":
		return "junit", nil
	case ".json":
		return "json", nil
	}
	return "", fault.New(fault.Usage, "cannot write %s: the form of a report is known by .md, .xml or .json", name)
}

// renderGate writes a report in a form.
func renderGate(v gate.View, form string) ([]byte, error) {
	switch form {
	case "markdown":
		return v.Markdown(), nil
	case "junit":
		return v.JUnit()
	case "github":
		return v.GitHub(), nil
	}
	doc, err := json.MarshalIndent(v, "", "  ")
	return append(doc, '\n'), err
}

func writeGate(v gate.View, files []string) error {
	for _, file := range files {
		form, err := gateForm(file)
		if err != nil {
			return err
		}
		text, err := renderGate(v, form)
		if err != nil {
			return err
		}
		if err := repo.WriteFile(file, text, 0o666); err != nil {
			return fault.New(fault.KindOf(err), "cannot write %s: %w", file, err)
		}
	}
	return nil
}

func printGate(v gate.View, form string, a *app) error {
	failed := verdictAnswer(v.Verdict, v.Mapped) != yes
	if form == "" {
		return a.streams.EmitVerdict(v, failed, func(t *cli.Text) { gateText(v, t) })
	}
	text, err := renderGate(v, form)
	if err != nil {
		return err
	}
	return a.streams.EmitVerdict(v, failed, func(t *cli.Text) { t.Plain(string(text)) })
}

// maxPassed is how many passed checks are listed beside one that did not pass; more are only counted.
const maxPassed = 2

func gateText(v gate.View, t *cli.Text) {
	for _, g := range v.Report.Gates {
		t.Line(gateWord(string(g.Verdict), strings.ToUpper(string(g.Verdict))), cli.Str(g.Name),
			cli.Fmt("%s %s", cli.Str(g.For.Kind), cli.ID(g.For.ID)))
		t.Rows(2, gateRows(g, v.Record, t.TTY()))
	}
	if v.Verdict != gate.Pass {
		t.Line(cli.Fmt("%s %s", cli.Str("verdict"), cli.ID(v.Record)))
	}
}

// gateRows are the lines of one gate: what did not pass first. A person gets passed checks counted beside those, and
// value and limit in one column, because what stands there instead of them is longer.
func gateRows(g gate.Result, record object.Digest, person bool) [][]cli.Cell {
	width := 0
	for _, f := range g.Checks {
		width = max(width, len(f.Shown))
	}
	var open, passed [][]cli.Cell
	for _, f := range g.Checks {
		row := []cli.Cell{gateWord(f.Word(), f.Word()), cli.Str(f.Name), cli.Str(f.Shown), cli.Str(f.Needed())}
		if f.Value != nil {
			row[2] = cli.Float(*f.Value)
		}
		if person {
			row = append(row[:2], cli.Str(fmt.Sprintf("%-*s  %s", width, f.Shown, f.Needed())))
		}
		if f.Verdict == gate.Pass {
			passed = append(passed, row)
		} else {
			open = append(open, row)
		}
	}
	if person && len(open) > 0 && len(passed) > maxPassed {
		passed = [][]cli.Cell{{gateWord("pass", "pass"), cli.Fmt("%s others", cli.Count(int64(len(passed)))),
			cli.Fmt("mlx show %s", cli.ID(record))}}
	}
	return append(open, passed...)
}

func gateWord(verdict, shown string) cli.Cell {
	switch verdict {
	case "pass":
		return cli.Word(cli.RolePass, shown)
	case "fail":
		return cli.Word(cli.RoleFail, shown)
	}
	return cli.Word(cli.RoleWarn, shown)
}
