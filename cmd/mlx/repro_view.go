package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/pipeline"
)

// reproView is repro/v1, the JSON of mlx repro.
type reproView struct {
	Kind      string      `json:"kind"`
	OK        bool        `json:"ok"`      // every stage is up to date now
	Changed   bool        `json:"changed"` // something was run or restored
	Sample    bool        `json:"sample"`
	Stages    []reproRow  `json:"stages"`
	Counts    reproCounts `json:"counts"`
	DurationS float64     `json:"duration_s"`
}

type reproCounts struct {
	Ran      int `json:"ran"`
	Restored int `json:"restored"`
	Skipped  int `json:"skipped"`
	Failed   int `json:"failed"`
	NotRun   int `json:"not_run"`
}

type reproRow struct {
	Name      string        `json:"name"`
	Did       pipeline.Did  `json:"did"`
	Why       string        `json:"why"`
	Run       *fault.Ref    `json:"run"` // that made the outputs, or failed
	DurationS *float64      `json:"duration_s"`
	Attempts  int           `json:"attempts"`
	Outputs   []reproOutput `json:"outputs"`
	Disturbed []string      `json:"disturbed"` // inputs that changed while it ran
}

type reproOutput struct {
	Path     string `json:"path"`
	Digest   string `json:"digest"`
	Snapshot string `json:"snapshot"`
}

func reproRowOf(r pipeline.Result) reproRow {
	row := reproRow{Name: r.Stage.Name, Did: r.Did, Why: r.Why, Attempts: r.Attempts, Outputs: []reproOutput{},
		Disturbed: append([]string{}, r.Disturbed...)}
	if !r.Run.IsZero() {
		row.Run = &fault.Ref{Kind: refRun, ID: r.Run.Hex()}
	}
	if r.Attempts > 0 {
		s := r.Duration.Seconds()
		row.DurationS = &s
	}
	for _, o := range r.Outs {
		row.Outputs = append(row.Outputs, reproOutput{o.Path, o.Digest.Hex(), o.Root.Hex()})
	}
	return row
}

// reproReport tells what becomes of stages: each that was made as it ends, the others in the end.
type reproReport struct {
	app    *app
	sample bool
	took   time.Duration
	err    error // that the answer could not be written
}

func (p *reproReport) stage(r pipeline.Result) {
	s := p.app.streams
	if r.Did == pipeline.Skipped {
		s.Why("%s is up to date: %s", r.Stage.Name, r.Why)
		return
	}
	for _, path := range r.Disturbed {
		s.Note("%s changed while stage %s ran: nothing will be restored from its run", p.app.shown(path), r.Stage.Name)
	}
	if s.JSON || s.Quiet && r.Did != pipeline.Failed && r.Did != pipeline.NotRun {
		return
	}
	if err := s.Emit(nil, func(t *cli.Text) { reproLine(r, t) }); err != nil {
		p.err = err
	}
}

func (p *reproReport) end(all []pipeline.Result) error {
	v := reproView{Kind: "repro/v1", OK: true, Stages: []reproRow{}, DurationS: p.took.Seconds(), Sample: p.sample}
	for _, r := range all {
		v.Stages = append(v.Stages, reproRowOf(r))
		switch r.Did {
		case pipeline.Ran:
			v.Counts.Ran++
		case pipeline.Restored:
			v.Counts.Restored++
		case pipeline.Skipped:
			v.Counts.Skipped++
		case pipeline.Failed:
			v.Counts.Failed++
		case pipeline.NotRun:
			v.Counts.NotRun++
		}
	}
	v.OK = v.Counts.Failed+v.Counts.NotRun == 0
	v.Changed = v.Counts.Ran+v.Counts.Restored > 0
	if !v.OK {
		p.app.answer(no)
	}
	if p.err != nil {
		return p.err
	}
	if err := p.app.streams.EmitVerdict(v, !v.OK, func(t *cli.Text) { p.text(v, all, t) }); err != nil {
		return err
	}
	p.hintPull(all)
	return nil
}

// hintPull says how not to make again what somebody else has made.
func (p *reproReport) hintPull(all []pipeline.Result) {
	absent := func(r pipeline.Result) bool {
		return r.Did == pipeline.Ran && strings.HasSuffix(r.Why, pipeline.NotInStore)
	}
	if cfg, err := p.app.config(); err == nil && cfg.Remotes.Len() > 0 && slices.ContainsFunc(all, absent) {
		p.app.streams.Hint("mlx repro --pull", "next time, to fetch what was made elsewhere")
	}
}

// text is what is said in the end: which stages were left as they were, and why where nothing else happened.
func (p *reproReport) text(v reproView, all []pipeline.Result, t *cli.Text) {
	idle := !v.Changed && v.OK
	if idle && t.TTY() {
		t.Line(cli.Fmt("nothing changed: %s up to date", cli.Num(int64(v.Counts.Skipped), "stage")))
	}
	if !idle && t.TTY() {
		if v.Counts.Skipped > 0 {
			t.Line(cli.Word(cli.RolePass, "up to date"), cli.Num(int64(v.Counts.Skipped), "stage"))
		}
		if p.sample {
			t.Line(cli.Fmt("%s on samples in %s", cli.Num(int64(v.Counts.Ran), "stage"), cli.Duration(p.took)))
		}
		return
	}
	listed := 0
	for _, r := range all {
		if r.Did != pipeline.Skipped {
			continue
		}
		if listed++; t.TTY() && listed > maxIdleShown {
			t.Indented(2, cli.Fmt("and %s   (mlx repro -v shows all)", cli.Num(int64(v.Counts.Skipped-maxIdleShown), "more stage")))
			break
		}
		reproLine(r, t)
	}
}

// maxIdleShown is how many stages a person is told about when nothing was done.
const maxIdleShown = 20

// reproLine is one stage: in a pipe the word, the name, the run, how long it took and why.
func reproLine(r pipeline.Result, t *cli.Text) {
	name := cli.Str(r.Stage.Name)
	switch r.Did {
	case pipeline.Ran:
		t.Line(wordAnd(cli.RolePass, "ran", name), cli.Fmt("run %s", cli.ID(r.Run)), cli.Duration(r.Duration), cli.Fmt("because %s", cli.Str(r.Why)))
	case pipeline.Restored:
		t.Line(wordAnd(cli.RolePass, "restored", name), cli.Fmt("from run %s", cli.ID(r.Run)), cli.Str(""), cli.Fmt("because %s", cli.Str(r.Why)))
	case pipeline.Skipped:
		if t.TTY() {
			t.Indented(2, wordAnd(cli.RolePass, "up to date", name), cli.Str(r.Why))
			return
		}
		t.Line(cli.Str("up to date"), name, cli.ID(r.Run), cli.Str(""), cli.Str(r.Why))
	case pipeline.Failed:
		failedLine(r, t)
	case pipeline.NotRun:
		if t.TTY() {
			t.Line(cli.Fmt("%s: %s", wordAnd(cli.RoleWarn, "not run", name), cli.Str(r.Why)))
			return
		}
		t.Line(cli.Str("not run"), name, cli.Str(""), cli.Str(""), cli.Str(r.Why))
	}
}

func failedLine(r pipeline.Result, t *cli.Text) {
	name := cli.Str(r.Stage.Name)
	if !t.TTY() {
		t.Line(cli.Str("failed"), name, cli.ID(r.Run), cli.Duration(r.Duration), cli.Str(r.Why))
		return
	}
	cells := []cli.Cell{cli.Fmt("%s: %s", wordAnd(cli.RoleFail, "failed", name), cli.Str(r.Why))}
	if r.Attempts > 1 {
		cells = append(cells, cli.Num(int64(r.Attempts), "attempt"))
	}
	if !r.Run.IsZero() {
		cells = append(cells, cli.Str("mlx job logs "+r.Run.Short()))
	}
	t.Line(cells...)
}

// wordAnd is a word and a name: two fields in a pipe, one phrase for a person.
func wordAnd(role cli.Role, word string, name cli.Cell) cli.Cell {
	return cli.Fmt("%s %s", cli.Word(role, word), name)
}

// reproPlan is plan/v1 of mlx repro --dry-run.
type reproPlan struct {
	Kind    string      `json:"kind"`
	Command string      `json:"command"`
	Applies bool        `json:"applies"`
	Steps   []reproStep `json:"steps"`
	Bytes   int64       `json:"bytes"`
	Needs   []planNeed  `json:"needs"`
}

type reproStep struct {
	Do    pipeline.Do `json:"do"`
	What  string      `json:"what"` // the stage
	Why   string      `json:"why"`
	Run   *fault.Ref  `json:"run"` // that made the outputs
	Key   *string     `json:"key"` // of all that the result depends on; null while an input is not known
	Bytes int64       `json:"bytes"`
	Cost  *float64    `json:"cost"`

	Backend *string `json:"backend"` // that the stage would run on; null for this process
}

type planNeed struct {
	What    string `json:"what"`
	Command string `json:"command"`
}

// emitPlan prints what would be done. What stands against it is the error of the real command, too.
func (r *repro) emitPlan(ctx context.Context, planned []pipeline.Decision, refused error) error {
	v := reproPlan{Kind: "plan/v1", Command: "repro", Applies: refused == nil, Steps: []reproStep{}, Needs: []planNeed{}}
	sent := newSentSizes(r.world)
	for _, d := range planned {
		step := reproStep{Do: d.Do, What: d.Stage.Name, Why: d.Why}
		if d.Made != nil {
			step.Run = &fault.Ref{Kind: refRun, ID: d.Made.Run.Hex()}
		}
		if !d.Key.IsZero() {
			key := d.Key.Hex()
			step.Key = &key
		}
		if on := r.world.backendOf(d.Stage); on != "" && d.Do == pipeline.Run && refused == nil {
			step.Backend = &on
			var err error
			if step.Bytes, err = sent.of(ctx, d); err != nil {
				return err
			}
			v.Bytes += step.Bytes
		}
		v.Steps = append(v.Steps, step)
	}
	if refused != nil {
		v.Needs = append(v.Needs, against(refused))
	}
	if err := r.app.streams.Emit(v, func(t *cli.Text) { planText(v, planned, t) }); err != nil {
		return err
	}
	return refused
}

// against is what stands against a plan.
func against(refused error) planNeed {
	need := planNeed{What: refused.Error()}
	if hints := fault.Hints(refused); len(hints) > 0 {
		need.Command, _, _ = strings.Cut(hints[0], "   # ")
	}
	return need
}

func planText(v reproPlan, planned []pipeline.Decision, t *cli.Text) {
	idle := 0
	for i, d := range planned {
		name := cli.Str(d.Stage.Name)
		switch {
		case d.Do == pipeline.Run:
			cells := []cli.Cell{wordAnd(cli.RoleWarn, "run", name), cli.Fmt("because %s", cli.Str(d.Why))}
			if on := v.Steps[i].Backend; on != nil {
				cells = append(cells, cli.Fmt("on %s", cli.Str(*on)), cli.Fmt("sends at most %s", cli.Bytes(v.Steps[i].Bytes)))
			}
			t.Line(cells...)
		case d.Do == pipeline.Restore:
			t.Line(wordAnd(cli.RolePass, "restore", name), cli.Fmt("because %s", cli.Str(d.Why)), cli.Fmt("from run %s", cli.ID(d.Made.Run)))
		case t.TTY():
			idle++
		default:
			t.Line(cli.Str("skip"), name, cli.Str(d.Why))
		}
	}
	if idle > 0 {
		t.Line(cli.Word(cli.RolePass, "up to date"), cli.Num(int64(idle), "stage"))
	}
}
