package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// gateForms are the words of --format.
func gateForms() []string { return []string{"markdown", "html", "junit", "github", "gitlab", "azure"} }

// gateForm returns how a report is written to a file, by the extension of its name.
func gateForm(name string) (string, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".md":
		return "markdown", nil
	case ".xml":
		return "junit", nil
	case ".html":
		return "html", nil
	case ".json":
		return "json", nil
	}
	return "", fault.New(fault.Usage, "cannot write %s: the form of a report is known by .md, .html, .xml or .json", name)
}

// renderGate writes a report in a form.
func renderGate(v gate.View, form string) ([]byte, error) {
	switch form {
	case "markdown":
		return v.Markdown(), nil
	case "junit":
		return v.JUnit()
	case "html":
		return v.HTML(), nil
	case "github":
		return v.GitHub(), nil
	case "gitlab":
		return v.GitLab()
	case "azure":
		return v.Azure(), nil
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

// stepSummary appends the report to the summary of a step of GitHub Actions, which needs no right to write: a pull request from a fork
// has none.
func (a *app) stepSummary(v gate.View, form string) error {
	file := os.Getenv("GITHUB_STEP_SUMMARY")
	if form != "github" || file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err == nil {
		_, err = f.Write(v.Markdown())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot write the summary of the step: %w", err)
	}
	return nil
}

func printGate(v gate.View, form string, a *app) error {
	failed := verdictAnswer(v.Verdict, v.Mapped) != yes
	if form == "" {
		return a.streams.EmitVerdict(v, failed, func(t *cli.Text) { gateText(v, t, false) })
	}
	text, err := renderGate(v, form)
	if err != nil {
		return err
	}
	return a.streams.EmitVerdict(v, failed, func(t *cli.Text) { t.Plain(string(text)) })
}

// maxPassed is how many passed checks are listed beside one that did not pass; more are only counted.
const maxPassed = 2

func gateText(v gate.View, t *cli.Text, whole bool) {
	var compared string
	for _, g := range v.Report.Gates {
		heading := []cli.Cell{gateWord(string(g.Verdict), strings.ToUpper(string(g.Verdict))), cli.Str(g.Name), gateFor(g, t.TTY())}
		t.Line(heading...)
		if !t.TTY() {
			t.Rows(2, gateRows(g))
			continue
		}
		gatePage(g, v.Record, t, whole)
		compared = cmp.Or(compared, g.Compared())
	}
	switch {
	case compared != "":
		t.Line(cli.Fmt("%s; verdict %s", cli.Str(compared), cli.ID(v.Record)))
	case v.Verdict != gate.Pass:
		t.Line(cli.Fmt("%s %s", cli.Str("verdict"), cli.ID(v.Record)))
	}
}

// gateFor says what was judged, and against what.
func gateFor(g gate.Result, person bool) cli.Cell {
	judged := cli.Fmt("%s %s", cli.Str(g.For.Kind), cli.ID(g.For.ID))
	if g.For.Name != "" && person {
		judged = cli.Path(g.For.Name)
	}
	if g.Against == nil {
		return judged
	}
	return cli.Fmt("%s against %s", judged, cli.Str(g.Baseline()))
}

// gateRows are the lines of one gate for a program: word, name, value, limit, and the finding in words.
func gateRows(g gate.Result) [][]cli.Cell {
	open, passed := g.Parted()
	var rows [][]cli.Cell
	for _, f := range slices.Concat(open, passed) {
		row := []cli.Cell{gateWord(f.Word(), f.Word()), cli.Str(f.Name), cli.Str(f.Shown), cli.Str(f.Needed())}
		if f.Value != nil {
			row[2] = cli.Float(*f.Value)
			if strconv.FormatFloat(*f.Value, 'f', -1, 64) != f.Shown {
				row = append(row, cli.Str(f.Shown))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// maxSampled is how many failing rows a terminal shows of a check.
const maxSampled = 3

// gatePage is one gate for a person: what did not pass first, each with what else there is to know. Of many passed checks all are listed
// only when somebody asked for the whole verdict.
func gatePage(g gate.Result, record object.Digest, t *cli.Text, whole bool) {
	open, passed := g.Parted()
	p := findingPageOf(open, passed, t)
	if !whole && len(open) > 0 && len(passed) > maxPassed {
		p.lines(open, nil)
		t.Indented(2, gateWord("pass", fmt.Sprintf("%-*s", p.word, "pass")), cli.Str(fmt.Sprintf("%-*s", p.name, cli.FormatCount(int64(len(passed)))+" others")),
			cli.Fmt("mlx show %s", cli.ID(record)))
	} else {
		p.lines(open, passed)
	}
	for _, note := range g.Notes() {
		t.Hanging(2, 0, cli.Word(cli.RoleDim, note))
	}
}

// findingPage writes findings for a person, each in its place.
type findingPage struct {
	text              *cli.Text
	word, name, shown int // widths
}

func findingPageOf(open, passed []gate.Finding, t *cli.Text) findingPage {
	p := findingPage{text: t, word: wordWidth(open)}
	for _, f := range slices.Concat(open, passed) {
		p.name, p.shown = max(p.name, utf8.RuneCountInString(f.Name)), max(p.shown, utf8.RuneCountInString(f.Shown))
	}
	p.name, p.shown = min(p.name, 32), min(p.shown, 24)
	return p
}

// lines writes what did not pass, with what else there is to know, and what passed.
func (p findingPage) lines(open, passed []gate.Finding) {
	for _, f := range open {
		p.line(f)
		for _, said := range []string{f.Note, f.Where(), f.SaidWaiver()} {
			if said != "" && !strings.Contains(f.Shown, said) {
				p.text.Hanging(2+p.word+2, 0, cli.Word(cli.RoleDim, said))
			}
		}
		sampleLines(f.Failing, 2+p.word+2, p.text)
	}
	for _, f := range passed {
		p.line(f)
	}
}

func (p findingPage) line(f gate.Finding) {
	p.text.Hanging(2, p.word+2+p.name+2, gateWord(f.Word(), fmt.Sprintf("%-*s", p.word, f.Word())), cli.Str(fmt.Sprintf("%-*s", p.name, f.Name)),
		cli.Str(strings.TrimRight(fmt.Sprintf("%-*s  %s", p.shown, f.Shown, f.Needed()), " ")))
}

// sampleLines shows some failing rows of a check, cut to the terminal. Where all that it could show is missing it shows nothing.
func sampleLines(f *gate.Failing, indent int, t *cli.Text) {
	if f == nil {
		return
	}
	var rows [][]cli.Cell
	var values []string
	for _, line := range f.Sample[:min(len(f.Sample), maxSampled)] {
		if words := strings.Join(line, ""); words != "" {
			rows, values = append(rows, dimRow(line)), append(values, words)
		}
	}
	switch {
	case len(rows) > 0 && len(f.Header) == 1:
		t.Hanging(indent, 0, cli.Shown(cli.RoleDim, "such as "+strings.Join(values, ", ")))
	case len(rows) > 0:
		t.Rows(indent, slices.Insert(rows, 0, dimRow(f.Header)))
	}
}

func dimRow(line []string) []cli.Cell {
	cells := make([]cli.Cell, len(line))
	for i, word := range line {
		cells[i] = cli.Shown(cli.RoleDim, cmp.Or(word, "-"))
	}
	return cells
}

// wordWidth is the width of the verdicts of what did not pass.
func wordWidth(open []gate.Finding) int {
	width := len("pass")
	for _, f := range open {
		width = max(width, len(f.Word()))
	}
	return width
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
