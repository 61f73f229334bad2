package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// driftedMain is a check of a monitor with an answer that is given: drifted [-fresh] MONITOR DAY [COLUMN…]. It records that these columns
// drifted in the week before the day, unless that is recorded, and then does what mlx drift check does with the answer.
func driftedMain() {
	fresh := flag.Bool("fresh", false, "judge again")
	quiet := flag.Bool("q", false, "quiet")
	flag.Parse()
	a := newApp(nil, cli.Open(os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	a.streams.Quiet = *quiet
	err := driftedCheck(context.Background(), a, *fresh, flag.Args())
	a.close()
	if err != nil {
		os.Exit(a.streams.Fail(err))
	}
	if flag.NArg() > 2 {
		os.Exit(1)
	}
}

func driftedCheck(ctx context.Context, a *app, fresh bool, args []string) error {
	at, err := time.Parse(time.DateOnly, args[1])
	if err != nil {
		return err
	}
	rec, err := driftedRecord(ctx, a, fresh, args[0], at, args[2:])
	if err != nil {
		return err
	}
	views, err := a.actOn(ctx, args[0], at, rec)
	if err != nil {
		return err
	}
	return a.streams.Emit(views, func(t *cli.Text) { actionsText(views, t) })
}

// actionsText is what one call has started, a line each.
func actionsText(all []actionView, t *cli.Text) {
	for _, v := range all {
		if v.New {
			t.Line(cli.Str(v.Text))
		}
	}
}

func driftedRecord(ctx context.Context, a *app, fresh bool, name string, at time.Time, columns []string) (lineage.Record, error) {
	l, err := a.ledger()
	if err != nil {
		return lineage.Record{}, err
	}
	from := at.AddDate(0, 0, -7)
	answer := drift.Answer{Monitor: name, Verdict: drift.Stable, Window: drift.Window{From: &from, To: &at, Rows: 6642}, AsOf: at,
		Reference: gate.Ref{Kind: "model", Name: "training data of flights@v6"}, Columns: []drift.Column{{Name: "dest", Verdict: drift.Stable}}}
	for _, c := range columns {
		answer.Verdict = drift.Drift
		answer.Columns = append(answer.Columns, drift.Column{Name: c, Verdict: drift.Drift, Text: "median 26 -> 66, PSI 8.2"})
	}
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"drift"}, Where: monitorWhere(drift.Checked.Name(), name), All: true}) {
		if err != nil {
			return rec, err
		}
		old, err := drift.Checked.Decode(rec)
		if err == nil && !fresh && old.Window.To.Equal(at) {
			return rec, nil
		}
	}
	return drift.Checked.Append(ctx, l, lineage.Entry[drift.Answer]{Body: answer})
}

func (p *somebody) drifted(args ...string) (out, problem string, status int) {
	p.t.Helper()
	return p.try("p", append([]string{"drifted"}, args...)...)
}

// actions are the newest states of what a monitor has started.
func (p *somebody) actions(monitor string) []drift.Action {
	p.t.Helper()
	l, err := lineage.Open(lineage.Options{Dir: p.path("p", ".git", "mlx", "ledger"), ReadOnly: true})
	if err != nil {
		p.t.Fatal(err)
	}
	defer l.Close()
	all, err := actionRecords(p.t.Context(), l, monitor)
	if err != nil {
		p.t.Fatal(err)
	}
	var folded []drift.Action
	for _, d := range drift.Fold(all) {
		folded = append(folded, d.Action)
	}
	return folded
}

const driftStage = `
stages:
  train: {cmd: "echo run $MLX_CAUSE >> ../train.count; sleep 0.3; cat in > model", deps: [in], outs: [model]}
monitors:
  m: {current: a, reference: b, on_drift: {repro: train}}
`

// TestDriftRaces: of several checks at once, one starts the stage, and all end as a check that found drift.
func TestDriftRaces(t *testing.T) {
	p := withConfig(t, driftStage)
	for round := range 3 {
		p.write(fmt.Appendf(nil, "round %d\n", round), "p", "in")
		columns := strings.Fields("a b c")[:round+1]
		p.do("p", "drifted", "-q", "m", "2026-10-30")
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, problem, status := p.drifted(append([]string{"-q", "m", fmt.Sprintf("2026-11-%02d", 10+round)}, columns...)...); status != 1 {
					t.Errorf("status %d: %s", status, problem)
				}
			})
		}
		all.Wait()
		if n := p.count("train"); n != round+1 {
			t.Errorf("after round %d the stage was executed %d times", round, n)
		}
	}
	for _, a := range p.actions("m") {
		if a.State != drift.ActionSucceeded || a.Run == nil {
			t.Errorf("%+v", a)
		}
	}
}

// TestDriftKilled: whenever mlx is killed, the next checks start the stage at most once more in all, and know how it ended.
func TestDriftKilled(t *testing.T) {
	p := withConfig(t, driftStage)
	executed := 0
	for round := range 14 {
		p.write(fmt.Appendf(nil, "round %d\n", round), "p", "in")
		monitor := fmt.Sprintf("m%d", round)
		text, err := os.ReadFile(p.path("p", "mlx.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		p.write(fmt.Appendf(text, "  %s: {current: a, reference: b, on_drift: {repro: train}}\n", monitor), "p", "mlx.yaml")
		cmd := p.command("p", "drifted", "-q", monitor, "2026-11-10", "dewp")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(10+round*40)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		err = cmd.Wait()
		timer.Stop()
		killed := cmd.ProcessState.ExitCode() < 0
		for range 3 {
			if _, problem, status := p.drifted("-q", monitor, "2026-11-10", "dewp"); status != 1 {
				t.Fatalf("round %d: status %d: %s", round, status, problem)
			}
		}
		deadline := time.Now().Add(10 * time.Second)
		for p.actions(monitor)[0].State == drift.ActionStarted && time.Now().Before(deadline) { // the command lives on
			p.drifted("-q", monitor, "2026-11-10", "dewp")
		}
		all := p.actions(monitor)
		if len(all) != 1 || all[0].State == drift.ActionStarted {
			t.Errorf("round %d (killed %v): %+v", round, killed, all)
		}
		// A kill between the record of the run and its command leaves a run that never began, and the stage is executed all the same.
		if now := p.count("train") - executed; now != 1 {
			t.Errorf("round %d (killed %v): the stage was executed %d times: %+v %v", round, killed, now, all, err)
		}
		executed = p.count("train")
	}
}

// TestDriftGone: what a clone began that is gone counts as failed after a day, says how to go on, and does not block what is found later.
func TestDriftGone(t *testing.T) {
	p := withConfig(t, driftStage)
	p.drifted("-q", "m", "2026-11-10", "dewp")
	begun := p.actions("m")[0]
	if begun.State != drift.ActionSucceeded {
		t.Fatalf("%+v", begun)
	}
	elsewhere := func(monitor, day string) {
		t.Helper()
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		p.drifted("-q", monitor, day) // stable
		l, err := lineage.Open(lineage.Options{Dir: p.path("p", ".git", "mlx", "ledger"), Now: time.Now, By: "bob"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		from := at.AddDate(0, 0, -6)
		to := at.AddDate(0, 0, 1)
		answer := drift.Answer{Monitor: monitor, Verdict: drift.Drift, Window: drift.Window{From: &from, To: &to, Rows: 10}, AsOf: to,
			Reference: gate.Ref{Kind: "model", Name: "training data of flights@v6"}, Columns: []drift.Column{{Name: "wind", Verdict: drift.Drift}}}
		rec, err := drift.Checked.Append(t.Context(), l, lineage.Entry[drift.Answer]{Body: answer})
		if err != nil {
			t.Fatal(err)
		}
		body := begun
		body.Monitor, body.Cause, body.State, body.Clone, body.Run, body.AsOf = monitor, rec.ID, drift.ActionStarted, "gone", nil, to
		body.Key = object.Sum([]byte(monitor + day))
		if _, err := l.AppendAll(t.Context(), drift.Draft(body, []string{"wind"}, 0, nil)); err != nil {
			t.Fatal(err)
		}
	}
	newest := func() drift.Action { all := p.actions("m"); return all[len(all)-1] }
	p.write([]byte("two\n"), "p", "in")
	elsewhere("m", "2026-11-20") // it begins with the window to the 21st
	p.drifted("-q", "m", "2026-11-21", "wind")
	if a := newest(); a.State != drift.ActionStarted || p.count("train") != 1 {
		t.Fatalf("it may still be at work: %+v", a)
	}
	_, problem, status := p.drifted("-q", "m", "2026-11-22", "wind")
	if a := newest(); status != 1 || a.State != drift.ActionFailed || !strings.Contains(problem, "nothing was heard of it for") || !strings.Contains(problem, "hint: mlx repro train") {
		t.Errorf("%+v %s", a, problem)
	}
	if _, problem, _ := p.drifted("-q", "m", "2026-11-23", "wind"); problem != "" || p.count("train") != 1 {
		t.Errorf("it is told once, and not started again: %s", problem)
	}
	p.drifted("-q", "m", "2026-11-24", "wind", "temp")
	if a := newest(); a.State != drift.ActionSucceeded || p.count("train") != 2 {
		t.Errorf("another finding: %+v", a)
	}
}

func TestIssueBody(t *testing.T) {
	nasty := "<script>|`x` @ana [a](http://b) ![i](c)\n# h -->"
	a := drift.Answer{Verdict: drift.Drift, Reference: gate.Ref{Name: nasty}, Columns: []drift.Column{{Name: nasty, Verdict: drift.Drift, Text: nasty}}}
	body := issueBody(object.Sum([]byte("x")), nasty, a, "marker")
	for _, bad := range []string{"<script", "@ana", "&#64;ana", `\# h`, "](http", "![i", "\n# h"} {
		if strings.Contains(body, bad) {
			t.Errorf("%q in\n%s", bad, body)
		}
	}
	if strings.Count(body, "-->") != 1 || strings.Count(body, "\n| ") != 3 {
		t.Error(body)
	}
}

// gitHub is a server with the part of GitHub's interface that is used. Its search learns of nothing.
type gitHub struct {
	*httptest.Server
	mu     sync.Mutex
	issues []githubIssue
}

func newGitHub(t *testing.T) *gitHub {
	g := &gitHub{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		switch {
		case r.Header.Get("Authorization") != "Bearer t0ken":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/api/search/issues":
			_, _ = io.WriteString(w, `{"total_count":0,"items":[]}`)
		case r.URL.Path == "/api/repos/acme/flights/issues" && r.Method == http.MethodGet:
			_ = json.NewEncoder(w).Encode(append([]githubIssue{}, g.issues...))
		case r.URL.Path == "/api/repos/acme/flights/issues":
			var made struct{ Title, Body string }
			_ = json.NewDecoder(r.Body).Decode(&made)
			issue := githubIssue{URL: fmt.Sprintf("%s/acme/flights/issues/%d", g.URL, len(g.issues)+1), Body: made.Title + "\n" + made.Body}
			g.issues = append(g.issues, issue)
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(issue)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// TestDriftTells: a webhook, an issue and a command are told once of a finding, and again of another; what failed is tried again.
func TestDriftTells(t *testing.T) {
	h, g := newHookServer(t, 0), newGitHub(t)
	p := withConfig(t, fmt.Sprintf("monitors:\n  m: {current: a, reference: b, on_drift: {webhook: %q, github_issue: acme/flights, command: %q}}\n",
		h.URL+"/hook/s3cret?token=s3cret", "cat > ../told.$MLX_ACTION_KEY; echo run >> ../command.count"))
	out, problem, status := p.drifted("m", "2026-11-10", "dewp", "temp")
	if status != 1 || !strings.Contains(problem, "GITHUB_TOKEN is not set") || strings.Contains(out+problem, "s3cret") || len(h.keys) != 1 {
		t.Fatalf("%d %s%s", status, out, problem)
	}
	p.env = append(p.env, "GITHUB_TOKEN=t0ken", "GITHUB_API_URL="+g.URL+"/api/")
	for range 2 {
		if out, problem, status = p.drifted("m", "2026-11-10", "dewp", "temp"); status != 1 || problem != "" {
			t.Fatalf("%d %s%s", status, out, problem)
		}
	}
	if out != "" || len(g.issues) != 1 || len(h.keys) != 1 || p.count("command") != 1 {
		t.Errorf("%q, %d issues, %d posts, %d calls", out, len(g.issues), len(h.keys), p.count("command"))
	}
	if !strings.HasPrefix(g.issues[0].Body, "Drift of m: dewp, temp\n") || !strings.Contains(h.bodies[0], `"dewp"`) {
		t.Errorf("%s\n%s", g.issues[0].Body, h.bodies[0])
	}
	told, err := filepath.Glob(p.path("told.*"))
	if err != nil || len(told) != 1 {
		t.Errorf("%v %v", told, err)
	}
	for _, a := range p.actions("m") {
		if strings.Contains(a.What+a.Why, "s3cret") {
			t.Errorf("recorded: %+v", a)
		}
	}
	p.drifted("m", "2026-11-11", "dewp", "temp", "wind")
	if len(g.issues) != 2 || len(h.keys) != 2 || h.keys[0] == h.keys[1] {
		t.Errorf("another finding: %d issues, keys %v", len(g.issues), h.keys)
	}
}
