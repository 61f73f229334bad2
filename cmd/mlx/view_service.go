package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/gate"
)

// serviceView is service/v1.
type serviceView struct {
	Kind       string        `json:"kind"`
	Service    string        `json:"service"`
	State      string        `json:"state"`
	Rollout    *rolloutView  `json:"rollout"`
	Arms       []armView     `json:"arms"`
	RollbackTo *rollbackView `json:"rollback_to"`
	Generation uint64        `json:"generation"`
	ObservedAt *time.Time    `json:"observed_at"`
	URL        *string       `json:"url"`
	Trouble    *string       `json:"trouble"`
	Copies     *copiesView   `json:"copies"`
	Log        *loggedView   `json:"log"`          // null: nothing is logged, or it does not run
	Budget     *budgetView   `json:"error_budget"` // null: it has no slo

	Hosts []hostView `json:"hosts,omitempty"` // of a service that several serve
}

type rolloutView struct {
	ID       string           `json:"id"`
	State    string           `json:"state"`
	Strategy string           `json:"strategy"`
	Step     int              `json:"step"` // from 1; 0 before the first
	Steps    []float64        `json:"steps"`
	Since    time.Time        `json:"since"`
	NextAt   *time.Time       `json:"next_at"`
	Reason   *string          `json:"reason"`
	Checks   []gate.ViewCheck `json:"checks"`
	By       string           `json:"by"`
}

type armView struct {
	Role          string    `json:"role"`
	Model         fault.Ref `json:"model"`
	Image         *string   `json:"image"`
	DesiredShare  float64   `json:"desired_share"`
	ObservedShare *float64  `json:"observed_share"`
	Answers       int64     `json:"answers"`
	ErrorsShare   *float64  `json:"errors_share"`
	P50           *float64  `json:"p50_s"`
	P99           *float64  `json:"p99_s"`
	Ready         int       `json:"ready"`
	Replicas      int       `json:"replicas"`
	Restarts      int       `json:"restarts"`
	Release       string    `json:"release"`
	Trouble       *string   `json:"trouble"`

	Stages []stageView `json:"stages,omitempty"` // of a release that has some
}

type rollbackView struct {
	Model fault.Ref `json:"model"`
	Warm  bool      `json:"warm"`
}

type copiesView struct {
	Eligible  int64 `json:"eligible"`
	Compared  int64 `json:"compared"`
	Dropped   int64 `json:"dropped"`
	Disagreed int64 `json:"disagreed"`
}

// serviceNow is what is known of a service: the records, and what was observed. Without an observation the reason is there.
type serviceNow struct {
	name    string
	known   deploy.Service
	seen    *deploy.Actual
	url     string
	trouble string
	help    []string // commands that help with the trouble, each as a fault has it
	budget  *budgetView
	hosts   []hostView
	alone   *deploy.Rollout // that is under way, and that nobody on this machine carries out; nil: somebody does, or there is none
	now     time.Time
}

// state is the word of the service.
func (s serviceNow) state() string {
	r, busy := s.known.Progress()
	switch {
	case s.seen == nil:
		return "down"
	case s.diverged():
		return "diverged"
	case busy && r.State == deploy.StatePaused:
		return "paused"
	case busy:
		return "rolling"
	case s.known.Current == nil:
		return "empty"
	}
	if n := len(s.known.Rollouts); s.known.Rollouts[n-1].State == deploy.StateRolledBack {
		return "rolled_back"
	}
	return "stable"
}

// underWay is how long a change that a rollout has decided on may take until the target has made it.
const underWay = 10 * time.Second

// diverged says whether the target does something else than the records say: another generation, shares or bytes, or no server of what is in service.
func (s serviceNow) diverged() bool {
	want := s.known.Desired()
	if len(want.Arms) == 0 {
		return false
	}
	if s.seen.Reverted != nil || awayWords(s.hosts) != "" || s.seen.Log != nil && s.seen.Log.Refusing {
		return true
	}
	if r, busy := s.known.Progress(); busy && s.seen.Generation <= want.Generation && s.now.Sub(r.Since).Abs() < underWay {
		return false // it has been decided, and is being asked for, or is about to be done
	}
	if s.seen.Generation != want.Generation {
		return true
	}
	for _, a := range want.Arms {
		got := s.arm(a.Release.Key)
		if a.Share > 0 && (got == nil || got.Share != a.Share || got.Ready == 0 || got.Other > 0) {
			return true
		}
	}
	return false
}

func (s serviceNow) arm(key string) *deploy.Seen {
	if s.seen == nil {
		return nil
	}
	for i := range s.seen.Arms {
		if s.seen.Arms[i].Key == key {
			return &s.seen.Arms[i]
		}
	}
	return nil
}

// view makes the JSON.
func (s serviceNow) view() serviceView {
	v := serviceView{Kind: "service/v1", Service: s.name, State: s.state(), Arms: []armView{}, URL: some(s.url), Trouble: some(s.trouble), Budget: s.budget,
		Hosts: s.hosts}
	if s.seen != nil {
		v.Generation, v.ObservedAt, v.Log = s.seen.Generation, &s.seen.At, viewOfLogged(s.seen.Log)
		if p := s.seen.Pairs; p.Eligible > 0 {
			v.Copies = &copiesView{p.Eligible, p.Compared, p.Dropped, p.Disagreed}
		}
	}
	if n := len(s.known.Rollouts); n > 0 {
		v.Rollout = s.rollout(s.known.Rollouts[n-1])
	}
	for _, a := range s.known.Desired().Arms {
		v.Arms = append(v.Arms, s.armOf(a))
	}
	s.observedShares(v.Arms)
	if targets := s.known.Targets(); len(targets) > 0 {
		got := s.arm(targets[0].Key)
		v.RollbackTo = &rollbackView{Model: refOf(refModel, targets[0].Record.Hex(), targets[0].Name()), Warm: got != nil && got.Ready > 0}
	}
	return v
}

func (s serviceNow) armOf(a deploy.Arm) armView {
	v := armView{Role: string(a.Role), Model: refOf(refModel, a.Release.Record.Hex(), a.Release.Name()), Image: some(a.Release.Image),
		DesiredShare: a.Share.Float(), Replicas: a.Replicas, Release: a.Release.Key}
	got := s.arm(a.Release.Key)
	if got == nil {
		v.Stages = viewOfStages(a.Release, nil)
		return v
	}
	v.Stages = viewOfStages(a.Release, got.Stages)
	c := got.Counts
	v.Answers, v.Ready, v.Restarts, v.Trouble = c.Ended(), got.Ready, got.Restarts, some(got.Trouble)
	v.ErrorsShare = numeric(float64(c.Errors) / float64(c.Ended()))
	v.P50, v.P99 = numeric(c.Latency.Quantile(0.5)/1e6), numeric(c.Latency.Quantile(0.99)/1e6)
	return v
}

// observedShares are what arms really got of the requests since the step began.
func (s serviceNow) observedShares(arms []armView) {
	r, busy := s.known.Progress()
	if s.seen == nil || !busy || r.From == nil {
		return
	}
	candidate, stable := r.Split(*s.seen)
	total := float64(candidate + stable)
	for i, a := range arms {
		switch {
		case a.Role == string(deploy.Shadow):
		case a.Release == r.To.Key:
			arms[i].ObservedShare = numeric(float64(candidate) / total)
		case a.Release == r.From.Key:
			arms[i].ObservedShare = numeric(float64(stable) / total)
		}
	}
}

func (s serviceNow) rollout(r deploy.Rollout) *rolloutView {
	v := &rolloutView{ID: r.ID.Hex(), State: string(r.State), Strategy: string(r.Strategy), Steps: []float64{}, Since: r.Since, Reason: some(r.Reason),
		Checks: []gate.ViewCheck{}, By: r.By}
	for _, step := range r.Steps {
		v.Steps = append(v.Steps, step.Float())
	}
	if r.Share() > 0 {
		v.Step = r.Step + 1
	}
	if r.State == deploy.StateStep || r.State == deploy.StateShadow {
		next := r.Since.Add(r.Bake)
		v.NextAt = &next
	}
	for _, f := range r.Findings {
		v.Checks = append(v.Checks, f.View())
	}
	return v
}

// changes says all that is news to somebody who watches, and so nothing that is counted.
func (s serviceNow) changes() string {
	v := s.view()
	b := fmt.Sprint(v.State, v.Generation, v.Trouble == nil)
	if r := v.Rollout; r != nil {
		b += fmt.Sprint(r.ID, r.State, r.Step)
		for _, c := range r.Checks {
			b += fmt.Sprint(c.Name, c.Verdict)
		}
	}
	for _, a := range v.Arms {
		b += fmt.Sprint(a.Role, a.Release, a.DesiredShare, a.Ready, a.Restarts, a.Trouble == nil)
	}
	return b
}

// numeric is a value that JSON can hold.
func numeric(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// text shows it to a person, and to a program a line a thing.
func (s serviceNow) text(t *cli.Text) {
	v := s.view()
	s.headline(v, t)
	rows := make([][]cli.Cell, 0, len(v.Arms))
	for _, a := range v.Arms {
		rows = append(rows, armRow(a))
	}
	if len(rows) > 0 {
		t.Table([]string{"ARM", "MODEL", "SHARE", "SEEN", "ANSWERS", "ERRORS", "P50", "P99", "READY"}, rows)
	}
	for _, a := range v.Arms {
		if a.Trouble != nil {
			t.Indented(2, cli.Str("trouble"), cli.Str(a.Model.Name), cli.Str(*a.Trouble))
		}
	}
	stagesText(v.Arms, t)
	hostsText(v.Hosts, t)
	loggedText(v.Log, t)
	if v.Rollout != nil && (s.state() == "rolling" || s.state() == "paused" || s.state() == "diverged") {
		s.rolloutText(v, t)
	}
	if v.Rollout != nil && v.Rollout.Strategy == string(deploy.AB) && v.State == "stable" && v.Rollout.Reason != nil {
		t.Line(cli.Str("test"), cli.Str(*v.Rollout.Reason))
	}
	if v.Budget != nil {
		t.Line(cli.Str("budget"), v.Budget.cell())
	}
	if v.RollbackTo != nil && t.TTY() {
		warm := "cold"
		if v.RollbackTo.Warm {
			warm = "warm"
		}
		t.Line(cli.Fmt("back  %s, %s: mlx rollback %s", cli.Str(v.RollbackTo.Model.Name), cli.Str(warm), cli.Str(s.name)))
	}
}

func (s serviceNow) headline(v serviceView, t *cli.Text) {
	cells := []cli.Cell{cli.Str(s.name), stateOfService(v.State)}
	if r := v.Rollout; r != nil && v.State != "stable" && v.State != "empty" {
		cells = append(cells, cli.Fmt("rollout %s", cli.Hex(r.ID, 12)))
		if !t.TTY() || r.State != v.State { // a person has just read that word
			cells = append(cells, cli.Str(strings.ReplaceAll(r.State, "_", " ")))
		}
		if r.Step > 0 {
			cells = append(cells, cli.Fmt("step %s of %s", cli.Count(int64(r.Step)), cli.Count(int64(len(r.Steps)))))
		}
		cells = append(cells, cli.Time(r.Since))
	}
	if v.URL != nil {
		cells = append(cells, cli.Str(*v.URL))
	}
	t.Line(cells...)
	if v.Trouble != nil {
		t.Indented(2, cli.Word(cli.RoleWarn, *v.Trouble))
	}
	if v.Rollout != nil && v.Rollout.Reason != nil && v.State != "stable" {
		t.Indented(2, cli.Str(*v.Rollout.Reason))
	}
}

func stateOfService(word string) cli.Cell {
	role := cli.RoleBold
	switch word {
	case "stable":
		role = cli.RolePass
	case "down", "diverged", "rolled_back":
		role = cli.RoleFail
	case "paused":
		role = cli.RoleWarn
	}
	return cli.Word(role, strings.ReplaceAll(word, "_", " "))
}

func armRow(a armView) []cli.Cell {
	return []cli.Cell{cli.Str(a.Role), servedVersion(a.Model.Name), partCell(&a.DesiredShare), partCell(a.ObservedShare), cli.Count(a.Answers),
		partCell(a.ErrorsShare), spanCell(a.P50), spanCell(a.P99), cli.Fmt("%s/%s", cli.Count(int64(a.Ready)), cli.Count(int64(a.Replicas)))}
}

// shareWord writes a share as 5%, with two digits that mean something.
func shareWord(v float64) string { return cli.FormatFloat(100*v) + "%" }

func (s serviceNow) rolloutText(v serviceView, t *cli.Text) {
	rows := make([][]cli.Cell, 0, len(v.Rollout.Checks))
	for _, c := range v.Rollout.Checks {
		rows = append(rows, []cli.Cell{gateWord(string(c.Verdict), string(c.Verdict)), cli.Str(c.Name), cli.Str(c.Text)})
	}
	t.Rows(2, rows)
	if v.Rollout.NextAt != nil && v.Rollout.Step < len(v.Rollout.Steps) {
		next := cli.Str(shareWord(v.Rollout.Steps[v.Rollout.Step]))
		if v.Rollout.NextAt.After(s.now) {
			t.Line(cli.Fmt("next  %s at the earliest %s", next, cli.Time(*v.Rollout.NextAt)))
		} else {
			t.Line(cli.Fmt("next  %s as soon as all checks pass", next))
		}
	}
	if v.Copies != nil {
		t.Line(cli.Fmt("copies  %s of %s compared, %s disagree, %s dropped", cli.Count(v.Copies.Compared), cli.Count(v.Copies.Eligible),
			cli.Count(v.Copies.Disagreed), cli.Count(v.Copies.Dropped)))
	}
}
