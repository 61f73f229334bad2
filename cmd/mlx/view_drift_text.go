package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// driftWord is a verdict in the words of drift.
func driftWord(v drift.Verdict) string {
	switch v {
	case drift.Stable:
		return "no drift"
	case drift.Drift:
		return "drift"
	case drift.CannotTell:
	}
	return "cannot tell" // also a word that is not known
}

func driftCell(v drift.Verdict, shown string) cli.Cell {
	if v != drift.Stable && v != drift.Drift {
		v = drift.CannotTell
	}
	return gateWord(string(v), shown)
}

// loudCell is a verdict at the beginning of a line, in capitals unless nothing drifted.
func loudCell(v drift.Verdict) cli.Cell {
	return driftCell(v, loudWord(v))
}

func loudWord(v drift.Verdict) string {
	if v == drift.Stable {
		return driftWord(v)
	}
	return strings.ToUpper(driftWord(v))
}

// driftDetail is how much is told of an answer.
type driftDetail uint8

const (
	driftNews    driftDetail = iota // what drifted, and what cannot be told; in one line where there is no news
	driftColumns                    // every column
	driftAll                        // with all that was measured of it
)

// text tells each answer: of several windows of a monitor those before the newest answer in a line each.
func (v driftView) text(t *cli.Text, detail driftDetail) {
	for i, d := range v.told {
		if detail == driftNews && d.New && d.Answer.Monitor != "" && slices.ContainsFunc(v.told[i+1:], func(later driftTold) bool {
			return later.New && later.Answer.Monitor == d.Answer.Monitor
		}) {
			d.older(t)
			continue
		}
		d.text(t, detail)
	}
}

func (d driftTold) text(t *cli.Text, detail driftDetail) {
	r := d.Answer
	if told := !d.New && r.Monitor != ""; detail == driftNews && (r.Verdict == drift.Stable || told) { // who types two tables wants to see
		d.line(t)
		for _, a := range d.Actions {
			if a.New { // what an answer that was told before starts now, and a model that is withdrawn
				d.acted(a, t)
			}
		}
		return
	}
	d.heading(t)
	d.columns(t, detail)
	d.checks(t, detail > driftNews)
	if r.Why != "" {
		if t.TTY() {
			t.Hanging(2, 0, cli.Str(r.Why))
		} else {
			t.Line(cli.Str("why"), cli.Str(r.Why))
		}
	}
	d.share(t)
	for _, note := range r.Notes {
		if r.Grouped == "" && strings.HasPrefix(note, independentRows) {
			continue // the line above says so
		}
		if t.TTY() {
			t.Hanging(0, 2, cli.Word(cli.RoleDim, note))
		} else {
			t.Line(cli.Str("note"), cli.Str(note))
		}
	}
	for _, a := range d.Actions {
		d.acted(a, t)
	}
}

// name is the monitor, or what somebody compared.
func (d driftTold) name() cli.Cell {
	if d.Answer.Monitor != "" {
		return cli.Str(d.Answer.Monitor)
	}
	return cli.Path(cmp.Or(d.Answer.Current.Name, d.Answer.Current.ID.Short()))
}

// line is an answer that is no news: nothing drifted, or this window of a monitor was reported before.
func (d driftTold) line(t *cli.Text) {
	r := d.Answer
	cells := []cli.Cell{loudCell(r.Verdict), d.name()}
	if t.TTY() {
		cells = append(cells, cli.Str(windowWords(r.Window)))
	} else {
		cells = append(cells, windowCells(r.Window)...)
	}
	if r.Verdict == drift.Stable || d.Record.IsZero() {
		drifted, all := countedColumns(r.Columns)
		cells = append(cells, cli.Num(r.Window.Rows, "row"), cli.Fmt("%s of %s", cli.Count(int64(drifted)), cli.Num(int64(all), "column")))
	} else {
		said := "as reported in %s"
		args := []cli.Cell{cli.ID(d.Record)}
		if run, doing := d.started(); run != "" {
			said += "; " + doing + " is %s"
			args = append(args, cli.Hex(run, 12))
		}
		cells = append(cells, cli.Fmt(said, args...))
	}
	t.Hanging(0, 2, append(cells, d.unusual(judgedAgain, judgedWithout)...)...)
}

// unusual are the notes that begin so, of an answer that is told in one line.
func (d driftTold) unusual(beginnings ...string) []cli.Cell {
	var cells []cli.Cell
	for _, note := range d.Answer.Notes {
		if d.New && slices.ContainsFunc(beginnings, func(begin string) bool { return strings.HasPrefix(note, begin) }) {
			cells = append(cells, cli.Str(note))
		}
	}
	return cells
}

// started is the run that the answer started, and what it does.
func (d driftTold) started() (run, doing string) {
	for _, a := range d.Actions {
		if a.Run == nil {
			continue
		}
		if strings.HasPrefix(a.What, repo.ActionRepro+" ") {
			return *a.Run, "retraining"
		}
		run, doing = *a.Run, "the run"
	}
	return run, doing
}

// heading says what was compared with what. A program gets: verdict, name, from, to, rows, the reference, the record.
func (d driftTold) heading(t *cli.Text) {
	r := d.Answer
	word := strings.ToUpper(driftWord(r.Verdict))
	against := cmp.Or(r.Reference.Name, r.Reference.ID.Short())
	if !t.TTY() {
		cells := append([]cli.Cell{driftCell(r.Verdict, word), d.name()}, windowCells(r.Window)...)
		t.Line(append(cells, cli.Count(r.Window.Rows), cli.Str(against), cli.ID(d.Record))...)
		return
	}
	rows := cli.Fmt("%s against %s", cli.Num(r.Window.Rows, "row"), cli.Str(against))
	t.Hanging(0, 2, driftCell(r.Verdict, word), d.name(), cli.Str(windowWords(r.Window)), rows)
}

// counts are how many columns drifted, and how many cannot be judged.
func (d driftTold) counts() (drifted, unclear int) {
	for _, c := range d.Answer.Columns {
		switch c.Verdict {
		case drift.Drift:
			drifted++
		case drift.Stable:
		default:
			unclear++
		}
	}
	return drifted, unclear
}

// countedColumns are those that have a weight, and how many of them drifted.
func countedColumns(columns []drift.Column) (drifted, all int) {
	for _, c := range columns {
		if c.Weight > 0 {
			all++
			if c.Verdict == drift.Drift {
				drifted++
			}
		}
	}
	return drifted, all
}

// share is the line below the columns: how many drifted, how many may, and what rows are taken to be.
func (d driftTold) share(t *cli.Text) {
	r := d.Answer
	if len(r.Columns) == 0 {
		return
	}
	if !t.TTY() {
		drifted, all := countedColumns(r.Columns)
		t.Line(cli.Str("share"), cli.Count(int64(drifted)), cli.Count(int64(all)), cli.Float(shareOf(r)), cli.Float(r.LimitShare), cli.Str(r.Grouped))
		return
	}
	t.Hanging(0, 2, cli.Str(d.shareLine()))
}

func (d driftTold) shareLine() string {
	r := d.Answer
	drifted, all := countedColumns(r.Columns)
	share := float64(drifted) / float64(max(1, all))
	words := fmt.Sprintf("%s of %s (%s), ", cli.FormatCount(int64(drifted)), cli.FormatNum(int64(all), "column"), shareWords(share))
	if r.DriftedShare != nil && !sameShare(*r.DriftedShare, share) {
		words += shareWords(*r.DriftedShare) + " by weight, "
	}
	if r.LimitShare > 0 {
		words += "limit " + shareWords(r.LimitShare)
	} else {
		words += "none may drift"
	}
	return words + "; " + groupedWords(r.Grouped)
}

func sameShare(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

const independentRows = "rows are assumed to be independent"

// groupedWords says which rows count as one.
func groupedWords(grouped string) string {
	switch grouped {
	case "":
		return independentRows
	case "day":
		return "rows of one day counted as one cluster"
	}
	return "rows of one " + grouped + " counted as one cluster"
}

// checks are those of the table as a whole and of the quality of predictions, as gates show theirs.
func (d driftTold) checks(t *cli.Text, whole bool) {
	open, passed := gate.Result{Checks: d.Answer.Checks}.Parted()
	if !whole { // that what a model is judged by still holds is an answer; that nothing happened to the table is none
		passed = slices.DeleteFunc(slices.Clone(passed), func(f gate.Finding) bool { return f.Subject != "measure" })
	}
	if !t.TTY() {
		t.Rows(2, gateRows(gate.Result{Checks: slices.Concat(open, passed)}))
		return
	}
	open = saidOnce(open)
	findingPageOf(open, passed, t).lines(open, passed)
}

// acted tells what the answer started, or why it started nothing.
func (d driftTold) acted(a actionView, t *cli.Text) {
	if said := d.before(a); said != "" {
		a.Text = said
	}
	if !t.TTY() {
		run := cli.None()
		if a.Run != nil {
			run = cli.Hex(*a.Run, 12)
		}
		t.Line(cli.Str("action"), cli.Str(string(a.State)), run, cli.Str(a.Text))
		return
	}
	role := cli.RolePlain
	if a.State == drift.ActionFailed {
		role = cli.RoleFail
	}
	t.Hanging(0, 2, cli.Word(role, a.Text))
}

// windowWords are the days of a window, the last one included, or its times; empty when all of a table was compared.
func windowWords(w drift.Window) string {
	if w.From == nil || w.To == nil {
		return ""
	}
	midnight := func(at time.Time) bool { return at.Format("15:04:05.999999999") == "00:00:00" }
	if !midnight(*w.From) || !midnight(*w.To) {
		return w.From.Format("2006-01-02 15:04") + " to " + w.To.Format("2006-01-02 15:04")
	}
	first, last := w.From.Format(time.DateOnly), w.To.AddDate(0, 0, -1).Format(time.DateOnly)
	if last <= first {
		return first
	}
	return first + " to " + last
}

// windowCell is a window in a table: for a person without the year of its end where that is the year of its beginning.
func windowCell(w drift.Window) cli.Cell {
	words := windowWords(w)
	const year = len("2026-")
	if first, last, ok := strings.Cut(words, " to "); ok && first[:year] == last[:year] {
		return cli.Said(first+" to "+last[year:], words)
	}
	return cli.Str(words)
}

func windowCells(w drift.Window) []cli.Cell {
	cells := []cli.Cell{cli.None(), cli.None()}
	for i, at := range []*time.Time{w.From, w.To} {
		if at != nil {
			cells[i] = cli.Time(*at)
		}
	}
	return cells
}

// shareWords is a share in percent, with as many digits as it takes to be told from zero.
func shareWords(share float64) string {
	percent := share * 100
	switch {
	case percent == 0 || percent >= 0.95:
		return fmt.Sprintf("%.0f%%", percent)
	}
	return fmt.Sprintf("%.2g%%", percent)
}

// nameWidth is how wide the names of some columns are, within reason.
func nameWidth(columns []drift.Column) int {
	width := 0
	for _, c := range columns {
		width = max(width, utf8.RuneCountInString(cli.Sentence(cli.Str(c.Name))))
	}
	return min(width, 32)
}
