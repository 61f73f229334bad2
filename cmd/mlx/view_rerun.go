package main

import (
	"context"
	"fmt"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/run"
)

// rerunPlan is plan/v1 of `mlx rerun --dry-run`.
type rerunPlan struct {
	Kind    string          `json:"kind"`
	Command string          `json:"command"`
	Applies bool            `json:"applies"`
	Steps   []planStep      `json:"steps"`
	Bytes   int64           `json:"bytes"`
	Needs   []run.RerunNeed `json:"needs"`
}

// plan prints what would run, what differs and what is missing.
func (j *rerunJob) plan() error {
	a := j.app
	p := rerunPlan{Kind: "plan/v1", Command: "rerun", Applies: len(j.lacks) == 0, Steps: []planStep{}, Needs: run.ViewNeeds(j.needs)}
	for _, err := range j.lacks {
		need := run.RerunNeed{What: strings.TrimPrefix(err.Error(), "cannot rerun "+j.original.RunID.Short()+": ")}
		if hints := fault.Hints(err); len(hints) > 0 {
			need.Command = &hints[0]
		}
		p.Needs = append(p.Needs, need)
	}
	for _, d := range j.data {
		p.Steps = append(p.Steps, planStep{Do: "checkout", What: d.Path, Why: "version " + d.Root.Hex()})
	}
	for range j.times {
		p.Steps = append(p.Steps, planStep{Do: "run", What: commandLine(j.body.Command), Why: "repeats run " + j.original.ID})
	}
	if err := a.streams.Emit(p, func(t *cli.Text) { j.planText(t) }); err != nil {
		return err
	}
	if len(j.lacks) > 0 {
		return a.untold(j.lacks)
	}
	for _, n := range j.needs {
		if n.Command != "" {
			a.streams.Hint(n.Command, "")
		}
	}
	return nil
}

func (j *rerunJob) planText(t *cli.Text) {
	format := "would rerun %s: %s %s in a clean worktree"
	where := cli.Fmt("at %s", cli.Hex(j.body.Code.Commit, 7))
	if j.body.Code.Commit == "" {
		where = cli.Str("as it is here")
	}
	if len(j.lacks) > 0 {
		format = "cannot rerun %s: %s %s in a clean worktree"
	}
	t.Line(cli.Fmt(format, cli.ID(j.original.RunID), cli.Str(commandLine(j.body.Command)), where))
	for _, n := range j.needs {
		key, text, ok := strings.Cut(n.What, ": ")
		if !ok {
			key, text = "needs", n.What
		}
		t.KeyValue(2, key, cli.Str(text))
	}
}

// printRerun prints the answer.
func (a *app) printRerun(v run.RerunView, j *rerunJob) error {
	err := a.streams.EmitVerdict(v, verdictAnswer(v.Verdict, v.Mapped) != yes, func(t *cli.Text) { rerunText(v, a.shown, t) })
	if err == nil && v.Verdict == run.VerdictFail && len(v.Runs) == 1 {
		a.streams.Hint("mlx rerun "+v.Rejudgement.Of.Short()+" --times 3", "tells chance from a changed environment")
	}
	return err
}

// rerunWord is the heading of an answer.
func rerunWord(v run.RerunView) cli.Cell {
	switch v.Result {
	case run.Identical:
		return cli.Word(cli.RolePass, "IDENTICAL")
	case run.Equal:
		return cli.Word(cli.RolePass, "EQUAL within tolerance")
	case run.Different:
		return cli.Word(cli.RoleFail, "DIFFERENT")
	case run.Unstable:
		return cli.Word(cli.RoleWarn, "UNSTABLE")
	case run.Unknown:
	}
	return cli.Word(cli.RoleWarn, "INCONCLUSIVE")
}

func sameCell(s run.Sameness) cli.Cell {
	switch s {
	case run.Identical, run.Equal:
		return cli.Word(cli.RolePass, string(s))
	case run.Different:
		return cli.Word(cli.RoleFail, string(s))
	case run.Unstable, run.Unknown:
	}
	return cli.Word(cli.RoleWarn, string(s))
}

func rerunText(v run.RerunView, shown func(string) string, t *cli.Text) {
	r := v.Rejudgement
	between := cli.Fmt("%s", cli.ID(r.Of))
	if len(r.Runs) == 1 {
		between = cli.Fmt("%s -> run %s", cli.ID(r.Of), cli.ID(r.Runs[0]))
	} else if len(r.Runs) > 1 {
		between = cli.Fmt("%s -> run %s and %s more", cli.ID(r.Of), cli.ID(r.Runs[0]), cli.Count(int64(len(r.Runs)-1)))
	}
	t.Line(rerunWord(v), between)
	if v.Why != nil {
		t.Indented(2, cli.Str(*v.Why))
	}
	t.Rows(2, rerunRows(v, shown, t.TTY()))
	for _, n := range r.Missing {
		if !surrounds(n) {
			t.KeyValue(2, "without", cli.Str(n.What))
		}
	}
	causesText(v, t)
}

// surrounds says of a need that it is about what is installed and about the machine. Where that matters it is a cause.
func surrounds(n run.Need) bool {
	kind, _, _ := strings.Cut(n.What, ": ")
	return kind != "code" && !strings.HasPrefix(kind, "variable ")
}

// maxSame is how many lines of what is the same a person gets.
const maxSame = 8

// rerunRows are the lines of what was compared: metrics from the best to the worst, then outputs.
func rerunRows(v run.RerunView, shown func(string) string, person bool) [][]cli.Cell {
	var rows [][]cli.Cell
	same := 0
	add := func(s run.Sameness, name, what cli.Cell) {
		if s == run.Identical {
			same++
		}
		if s != run.Identical || same <= maxSame || !person {
			rows = append(rows, []cli.Cell{sameCell(s), name, what})
		}
	}
	for _, want := range []run.Sameness{run.Identical, run.Equal, run.Different, run.Unstable} {
		for _, m := range v.Metrics {
			if m.Result == want {
				add(want, cli.Str("metrics."+m.Key), metricCell(m))
			}
		}
	}
	for _, o := range v.Outputs {
		add(o.Result, cli.Path(shown(o.Path)), outputCell(o, len(v.Metrics) > 0))
	}
	if more := same - maxSame; person && more > 0 {
		rows = append(rows, []cli.Cell{sameCell(run.Identical), cli.Str(cli.FormatNum(int64(more), "other"))})
	}
	return rows
}

func metricCell(m run.RerunMetric) cli.Cell {
	if m.Result == run.Identical {
		return cli.Str("")
	}
	cells := []cli.Cell{rerunNumber(m.A), rerunNumber(m.B)}
	format := "%s -> %s"
	if m.Low != nil && m.High != nil {
		format += "  (repeats from %s to %s)"
		cells = append(cells, rerunNumber(m.Low), rerunNumber(m.High))
	} else if m.Difference != nil && m.Tolerance != nil {
		format += "  (difference %s, tolerance %s)"
		cells = append(cells, cli.Str(brief(*m.Difference)), cli.Str(brief(*m.Tolerance)))
	}
	if m.Step != nil {
		format += ", from step %s on"
		cells = append(cells, cli.Count(*m.Step))
	}
	return cli.Fmt(format, cells...)
}

// brief writes a small number with one digit: "3e-7".
func brief(n run.Number) string {
	return strings.Replace(strings.Replace(fmt.Sprintf("%.2g", float64(n)), "e-0", "e-", 1), "e+0", "e+", 1)
}

func rerunNumber(n *run.Number) cli.Cell {
	if n == nil {
		return cli.None()
	}
	return cli.Float(float64(*n))
}

func outputCell(o run.RerunOutput, metrics bool) cli.Cell {
	if o.Result == run.Identical {
		return cli.Str("")
	}
	cells := []cli.Cell{hexOrNone(o.A), hexOrNone(o.B)}
	if metrics && o.A != nil && o.B != nil {
		return cli.Fmt("%s -> %s  %s", append(cells, cli.Shown(cli.RoleDim, "(bytes are shown, metrics decide)"))...)
	}
	return cli.Fmt("%s -> %s", cells...)
}

func hexOrNone(digest *string) cli.Cell {
	if digest == nil {
		return cli.None()
	}
	return cli.Hex(*digest, 12)
}

// maxCausesShown is how many causes a person gets.
const maxCausesShown = 5

func causesText(v run.RerunView, t *cli.Text) {
	head := "likely cause"
	if v.Result == run.Equal && len(v.Metrics) > 0 {
		head = "likely cause of different bytes"
	}
	for i, c := range v.Causes {
		if i == maxCausesShown && t.TTY() {
			t.Line(cli.Fmt("and %s more: mlx show %s --json", cli.Count(int64(len(v.Causes)-i)), cli.ID(v.Record)))
			return
		}
		if i > 0 {
			head = "or"
		}
		if t.TTY() {
			t.Line(cli.Fmt(head+": %s", cli.Str(c.Text)))
			continue
		}
		t.Line(cli.Str("cause"), cli.Str(c.What), cli.Str(c.Text))
	}
}

// showRerun shows the record of an answer.
func (a *app) showRerun(_ context.Context, t target) error {
	v, err := run.RerunOf(t.Record)
	if err != nil {
		return err
	}
	return a.streams.Emit(v, func(t *cli.Text) {
		t.Heading(cli.Fmt("rerun %s", cli.ID(v.Record)), cli.Time(v.At), cli.Fmt("by %s", cli.Str(v.By)))
		rerunText(v, a.shown, t)
	})
}
