package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mlx/internal/drift"
)

// retireProject is a project with two versions of a model, of which the second, in production, is wrong about every golden row of three days.
func retireProject(t *testing.T) *somebody {
	p := withConfig(t, `
monitors:
  m:
    current: a.csv
    reference: a.csv
    model: flights@production
    golden: {table: "golden/{date}.csv", min_rows: 30, model: {command: "sed s/x,right/class/\\;s/,.*// | if grep -q good $MLX_MODEL; then cat; else tr 01 10; fi"}}
    retire: golden < 0.9 for 3 days
`)
	rows := func(head string) []byte {
		text := head + "\n"
		for i := range 40 {
			text += fmt.Sprintf("%d,%d,%d\n", i%2, i%7, i%2)
		}
		return []byte(text)
	}
	p.write(rows("x,y,z"), "p", "a.csv")
	for _, day := range []string{"20", "21", "22"} {
		p.write(rows("x,right,label"), "p", "golden", "2026-11-"+day+".csv")
	}
	for _, kind := range []string{"good", "bad"} {
		p.do("p", "mlx", "run", "-q", "-o", "model.txt", "--", "sh", "-c", "echo "+kind+" > model.txt")
		p.do("p", "mlx", "model", "register", "-q", "flights", "@last:model.txt")
	}
	p.do("p", "mlx", "promote", "-q", "flights@v1", "production")
	p.do("p", "mlx", "promote", "-q", "flights@v2", "production")
	return p
}

// TestRetireKilled: whenever mlx is killed, the version is withdrawn once, and the next checks know it.
func TestRetireKilled(t *testing.T) {
	check := []string{"mlx", "drift", "check", "m", "-q", "--at", "2026-11-23T09:00:00Z"}
	for round := range 5 {
		p := retireProject(t)
		cmd := p.command("p", check...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(40+round*60)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		killed := cmd.Wait()
		timer.Stop()
		for range 2 {
			if out, problem, status := p.try("p", check...); status != 0 {
				t.Fatalf("round %d: %d %s%s", round, status, out, problem)
			}
		}
		all := p.actions("m")
		if len(all) != 1 || all[0].State != drift.ActionSucceeded || all[0].What != "retire flights@v2" || all[0].Rollback != "flights@v1" {
			t.Errorf("round %d (%v): %+v", round, killed, all)
		}
		if n := strings.Count(p.do("p", "mlx", "log", "model:flights", "--json"), "archived\",\"retired\":true"); n > 1 {
			t.Errorf("round %d (%v): withdrawn %d times", round, killed, n)
		}
		if shown := p.do("p", "mlx", "show", "flights@v2"); !strings.Contains(shown, "retired") {
			t.Errorf("round %d (%v): %s", round, killed, shown)
		}
	}
}

// TestRetireAsks: a command that fails is a trouble of the check, and withdraws nothing.
func TestRetireAsks(t *testing.T) {
	p := retireProject(t)
	text, err := os.ReadFile(p.path("p", "mlx.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write([]byte(strings.Replace(string(text), "sed s/x", "exit 7; sed s/x", 1)), "p", "mlx.yaml")
	if out, problem, status := p.try("p", "mlx", "drift", "check", "m", "--at", "2026-11-23T09:00:00Z"); status != 2 || !strings.Contains(problem, "status 7") {
		t.Errorf("%d %s%s", status, out, problem)
	}
	if all := p.actions("m"); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
